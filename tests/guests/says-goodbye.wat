;; says-goodbye: on disconnect it writes `goodbye, CODE` to the log, and traps after a close with a code of 4000 and
;; more. The trap is a fault in the log; nothing else happens: the connection is over in any case.
(component
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
  (import "sluicegate:plugin/log@0.1.0" (instance $log
    (type $level-is (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level-is)))
    (export "write" (func (param "level" $level) (param "message" string)))))

  ;; What the host hands over is put from 4096 on; a hook that returns frees it all.
  (core module $memory-is
    (memory (export "memory") 4)
    (global $free (export "free") (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free)
      (global.set $free
        (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8)))))
  (core instance $memory (instantiate $memory-is))
  (core func $write (canon lower (func $log "write") (memory (core memory $memory "memory"))))
  (core func $drop-handshake (canon resource.drop $handshake))
  (core func $drop-session (canon resource.drop $session))

  (core module $guest
    (import "memory" "memory" (memory 1))
    (import "memory" "free" (global $free (mut i32)))
    (import "host" "drop-handshake" (func $drop-handshake (param i32)))
    (import "host" "drop-session" (func $drop-session (param i32)))
    (import "host" "write" (func $write (param i32 i32 i32)))

    (data (i32.const 128) "goodbye, 0000")

    ;; ok
    (func (export "init") (param i32 i32) (result i32)
      (global.set $free (i32.const 4096))
      (i32.store8 (i32.const 0) (i32.const 0))
      (i32.const 0))

    (func (export "on-disconnect") (param $session i32) (param $code i32)
      (local $at i32)
      (call $drop-session (local.get $session))
      ;; The four digits of the code, the last one first.
      (local.set $at (i32.const 140))
      (loop $next
        (i32.store8 (local.get $at) (i32.add (i32.const 0x30) (i32.rem_u (local.get $code) (i32.const 10))))
        (local.set $code (i32.div_u (local.get $code) (i32.const 10)))
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (br_if $next (i32.gt_u (local.get $at) (i32.const 136))))
      (call $write (i32.const 1) (i32.const 128) (i32.const 13))
      ;; Bad manners at the very end: nothing that it does here changes anything.
      (if (i32.eq (i32.load8_u (i32.const 137)) (i32.const 0x34)) (then (unreachable)))))

  (core instance $host
    (export "drop-handshake" (func $drop-handshake)) (export "drop-session" (func $drop-session))
    (export "write" (func $write)))
  (core instance $code (instantiate $guest (with "memory" (instance $memory)) (with "host" (instance $host))))

  (func $init (param "config" string) (result (result (error string)))
    (canon lift (core func $code "init") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (instance $lifecycle (export "init" (func $init)))
  (export "sluicegate:plugin/lifecycle@0.1.0" (instance $lifecycle))

  (func $on-disconnect (param "session" (borrow $session)) (param "code" u16)
    (canon lift (core func $code "on-disconnect")))
  (instance $disconnect (export "on-disconnect" (func $on-disconnect)))
  (export "sluicegate:plugin/disconnect-hook@0.1.0" (instance $disconnect)))
