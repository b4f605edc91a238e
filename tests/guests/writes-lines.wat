;; writes-lines: on publish it writes 15.6 million empty lines to standard output in one call; the line that says so may be
;; repeated. Each piece of it is the guest's time: a fault for the deadline.
(component
  ;; The contract's types, as far as the hook below uses them.
  (import "sluicegate:plugin/types@0.1.0" (instance $types
    (export "session" (type (sub resource)))
    (type $penalty-is (variant (case "none") (case "disconnect") (case "ban" u32)))
    (export "penalty" (type $penalty (eq $penalty-is)))
    (type $denial-is (record
      (field "code" u16) (field "reason" string) (field "message" (option string))
      (field "retry-after-ms" (option u64)) (field "penalty" $penalty)))
    (export "denial" (type $denial (eq $denial-is)))
    (type $publish-is (variant
      (case "abstain") (case "allow") (case "replace" (list u8)) (case "discard") (case "deny" $denial)))
    (export "publish-verdict" (type (eq $publish-is)))))
  (alias export $types "session" (type $session))
  (alias export $types "publish-verdict" (type $publish-verdict))
  (import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type $stream (sub resource)))
    (alias outer 1 $error (type $error-is))
    (export "error" (type $io-error (eq $error-is)))
    (type $stream-error-is (variant (case "last-operation-failed" (own $io-error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error-is)))
    (export "[method]output-stream.write"
      (func (param "self" (borrow $stream)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output-stream (type $stream-is))
    (export "output-stream" (type $stream (eq $stream-is)))
    (export "get-stdout" (func (result (own $stream))))))

  ;; What the host hands over is put from 4096 on; a hook that returns frees it all.
  (core module $memory-is
    (memory (export "memory") 240)
    (global $free (export "free") (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free)
      (global.set $free
        (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8)))))
  (core instance $memory (instantiate $memory-is))
  (core func $drop-session (canon resource.drop $session))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower (func $streams "[method]output-stream.write") (memory (core memory $memory "memory"))))

  (core module $guest
    (import "memory" "memory" (memory 1))
    (import "memory" "free" (global $free (mut i32)))
    (import "host" "drop-session" (func $drop-session (param i32)))
    (import "host" "get-stdout" (func $get-stdout (result i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))

    ;; ok
    (func (export "init") (param i32 i32) (result i32)
      (global.set $free (i32.const 4096))
      (i32.store8 (i32.const 0) (i32.const 0))
      (i32.const 0))

    (func (export "on-publish") (param $session i32) (param $channel i32) (param $channel-len i32) (param $data i32) (param $data-len i32) (result i32)
      (local $out i32)
      (call $drop-session (local.get $session))
      (local.set $out (call $get-stdout))
      (memory.fill (i32.const 65536) (i32.const 10) (i32.const 15600000))
      (call $write (local.get $out) (i32.const 65536) (i32.const 15600000) (i32.const 32)) ;; again
      (i32.store (i32.const 64) (i32.const 1))
      (global.set $free (i32.const 4096))
      (i32.const 64)))

  (core instance $host
    (export "drop-session" (func $drop-session))
    (export "get-stdout" (func $get-stdout))
    (export "write" (func $write)))
  (core instance $code (instantiate $guest (with "memory" (instance $memory)) (with "host" (instance $host))))

  (func $init (param "config" string) (result (result (error string)))
    (canon lift (core func $code "init") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (instance $lifecycle (export "init" (func $init)))
  (export "sluicegate:plugin/lifecycle@0.1.0" (instance $lifecycle))

  (func $on-publish (param "session" (borrow $session)) (param "channel" string) (param "data" (list u8)) (result $publish-verdict)
    (canon lift (core func $code "on-publish") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (instance $publish (export "on-publish" (func $on-publish)))
  (export "sluicegate:plugin/publish-hook@0.1.0" (instance $publish)))
