;; message-content: a well-behaved guest of contract 0.1 that also imports `message` of 0.2, so it gets bytes as they are. On
;; publish it allows JSON, and replaces bytes by the same with the first one inverted.
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
  (import "sluicegate:plugin/message@0.2.0" (instance $message
    (type $data-kind-is (enum "json" "binary"))
    (export "data-kind" (type $data-kind (eq $data-kind-is)))
    (export "content" (func (result $data-kind)))))

  ;; What the host hands over is put from 4096 on; a hook that returns frees it all.
  (core module $memory-is
    (memory (export "memory") 4)
    (global $free (export "free") (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free)
      (global.set $free
        (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8)))))
  (core instance $memory (instantiate $memory-is))
  (core func $drop-session (canon resource.drop $session))
  (core func $content (canon lower (func $message "content")))

  (core module $guest
    (import "memory" "memory" (memory 1))
    (import "memory" "free" (global $free (mut i32)))
    (import "host" "drop-session" (func $drop-session (param i32)))
    (import "host" "content" (func $content (result i32)))

    ;; ok
    (func (export "init") (param i32 i32) (result i32)
      (global.set $free (i32.const 4096))
      (i32.store8 (i32.const 0) (i32.const 0))
      (i32.const 0))

    (func (export "on-publish") (param $session i32) (param $channel i32) (param $channel-len i32) (param $data i32) (param $data-len i32) (result i32)
      (call $drop-session (local.get $session))
      ;; allow is 1, replace is 2; binary is 1
      (i32.store8 (i32.const 64) (i32.add (i32.const 1) (call $content)))
      (if (i32.and (call $content) (i32.ne (local.get $data-len) (i32.const 0)))
        (then (i32.store8 (local.get $data) (i32.xor (i32.load8_u (local.get $data)) (i32.const 255)))))
      (i32.store (i32.const 72) (local.get $data))
      (i32.store (i32.const 76) (local.get $data-len))
      (global.set $free (i32.const 4096))
      (i32.const 64)))

  (core instance $host
    (export "drop-session" (func $drop-session))
    (export "content" (func $content)))
  (core instance $code (instantiate $guest (with "memory" (instance $memory)) (with "host" (instance $host))))

  (func $init (param "config" string) (result (result (error string)))
    (canon lift (core func $code "init") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (instance $lifecycle (export "init" (func $init)))
  (export "sluicegate:plugin/lifecycle@0.1.0" (instance $lifecycle))

  (func $on-publish (param "session" (borrow $session)) (param "channel" string) (param "data" (list u8)) (result $publish-verdict)
    (canon lift (core func $code "on-publish") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (instance $publish (export "on-publish" (func $on-publish)))
  (export "sluicegate:plugin/publish-hook@0.1.0" (instance $publish)))
