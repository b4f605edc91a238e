;; init-repeats: init refuses its settings, and repeats all of them. No secret among them may be read in its words.
(component
  (@custom "sluicegate:settings-schema"
    "{\"properties\": {\"taken\": {\"type\": \"string\"}, \"marked\": {\"writeOnly\": true}}}")
  ;; The contract's types, as far as the hooks below use them.
  (import "sluicegate:plugin/types@0.1.0" (instance $types
    (export "handshake" (type (sub resource)))
    (export "session" (type (sub resource)))
    (type $identity-is (record
      (field "user" (option string)) (field "claims" string) (field "expires-ms" (option u64))))
    (export "identity" (type $identity (eq $identity-is)))
    (type $grant-is (record
      (field "publish" bool) (field "presence" bool) (field "history" bool) (field "expires-ms" (option u64))))
    (export "grant" (type $grant (eq $grant-is)))
    (type $penalty-is (variant (case "none") (case "disconnect") (case "ban" u32)))
    (export "penalty" (type $penalty (eq $penalty-is)))
    (type $denial-is (record
      (field "code" u16) (field "reason" string) (field "message" (option string))
      (field "retry-after-ms" (option u64)) (field "penalty" $penalty)))
    (export "denial" (type $denial (eq $denial-is)))
    (type $connect-is (variant (case "abstain") (case "accept" $identity) (case "deny" $denial)))
    (export "connect-verdict" (type (eq $connect-is)))
    (type $subscribe-is (variant (case "abstain") (case "allow" $grant) (case "deny" $denial)))
    (export "subscribe-verdict" (type (eq $subscribe-is)))
    (type $publish-is (variant
      (case "abstain") (case "allow") (case "replace" (list u8)) (case "discard") (case "deny" $denial)))
    (export "publish-verdict" (type (eq $publish-is)))))
  (alias export $types "handshake" (type $handshake))
  (alias export $types "session" (type $session))
  (alias export $types "connect-verdict" (type $connect-verdict))
  (alias export $types "subscribe-verdict" (type $subscribe-verdict))
  (alias export $types "publish-verdict" (type $publish-verdict))

  ;; What the host hands over is put from 4096 on; a hook that returns frees it all.
  (core module $memory-is
    (memory (export "memory") 4)
    (global $free (export "free") (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free)
      (global.set $free
        (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8)))))
  (core instance $memory (instantiate $memory-is))
  (core func $drop-handshake (canon resource.drop $handshake))
  (core func $drop-session (canon resource.drop $session))

  (core module $guest
    (import "memory" "memory" (memory 1))
    (import "memory" "free" (global $free (mut i32)))
    (import "host" "drop-handshake" (func $drop-handshake (param i32)))
    (import "host" "drop-session" (func $drop-session (param i32)))

    ;; err(config)
    (func (export "init") (param $config i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 0) (i32.const 1))
      (i32.store (i32.const 4) (local.get $config))
      (i32.store (i32.const 8) (local.get $length))
      (i32.const 0))

    (func (export "on-publish") (param $session i32) (param $channel i32) (param $channel-len i32) (param $data i32) (param $data-len i32) (result i32)
      (call $drop-session (local.get $session))
      (global.set $free (i32.const 4096))
      (i64.store (i32.const 64) (i64.const 0))
      (i32.const 64)))

  (core instance $host
    (export "drop-handshake" (func $drop-handshake)) (export "drop-session" (func $drop-session)))
  (core instance $code (instantiate $guest (with "memory" (instance $memory)) (with "host" (instance $host))))

  (func $init (param "config" string) (result (result (error string)))
    (canon lift (core func $code "init") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (instance $lifecycle (export "init" (func $init)))
  (export "sluicegate:plugin/lifecycle@0.1.0" (instance $lifecycle))

  (func $on-publish (param "session" (borrow $session)) (param "channel" string) (param "data" (list u8)) (result $publish-verdict)
    (canon lift (core func $code "on-publish") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (instance $publish (export "on-publish" (func $on-publish)))
  (export "sluicegate:plugin/publish-hook@0.1.0" (instance $publish)))
