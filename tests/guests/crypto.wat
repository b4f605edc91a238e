;; crypto: a well-behaved guest of contract 0.1 that also imports `crypto` of 0.2. The first byte of a message says what it
;; does with it on publish; what is not said here is discarded.
;;   v  allows if the next 32 bytes are HMAC-SHA256 of the rest, with the secret "a shared secret"
;;   k  makes keys until there is no more room, allows if that was after 64, and drops them
;;   j  makes a key for RS256 of the rest, a JWK: allows, or replaces the message by the error
;;   a  makes a key for an algorithm that does not exist: replaces the message by the error
;;   m  hashes 1 MiB and allows        M  the same and one byte more: a fault
;;   s  HMAC with a secret of 16 KiB, and allows        S  the same and one byte more: a fault
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
  (import "sluicegate:plugin/crypto@0.2.0" (instance $crypto
    (export "key" (type $key (sub resource)))
    (export "[static]key.from-bytes"
      (func (param "bytes" (list u8)) (param "algorithm" string) (result (result (own $key) (error string)))))
    (export "[static]key.from-jwk"
      (func (param "jwk" string) (param "algorithm" string) (result (result (own $key) (error string)))))
    (export "[method]key.verify"
      (func (param "self" (borrow $key)) (param "message" (list u8)) (param "signature" (list u8)) (result bool)))
    (export "sha256" (func (param "data" (list u8)) (result (list u8))))
    (export "hmac-sha256" (func (param "secret" (list u8)) (param "data" (list u8)) (result (list u8))))))
  (alias export $crypto "key" (type $key))

  ;; What the host hands over is put from 4096 on; a hook that returns frees it all.
  (core module $memory-is
    (memory (export "memory") 20)
    (global $free (export "free") (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free)
      (global.set $free
        (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8)))))
  (core instance $memory (instantiate $memory-is))
  (core func $drop-session (canon resource.drop $session))
  (core func $drop-key (canon resource.drop $key))
  (core func $from-bytes (canon lower (func $crypto "[static]key.from-bytes")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core func $from-jwk (canon lower (func $crypto "[static]key.from-jwk")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core func $verify (canon lower (func $crypto "[method]key.verify") (memory (core memory $memory "memory"))))
  (core func $sha256 (canon lower (func $crypto "sha256")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core func $hmac (canon lower (func $crypto "hmac-sha256")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))

  (core module $guest
    (import "memory" "memory" (memory 1))
    (import "memory" "free" (global $free (mut i32)))
    (import "host" "drop-session" (func $drop-session (param i32)))
    (import "host" "drop-key" (func $drop-key (param i32)))
    (import "host" "from-bytes" (func $from-bytes (param i32 i32 i32 i32 i32)))
    (import "host" "from-jwk" (func $from-jwk (param i32 i32 i32 i32 i32)))
    (import "host" "verify" (func $verify (param i32 i32 i32 i32 i32) (result i32)))
    (import "host" "sha256" (func $sha256 (param i32 i32 i32)))
    (import "host" "hmac" (func $hmac (param i32 i32 i32 i32 i32)))

    (data (i32.const 128) "HS256   RS256   ES999   a shared secret")

    ;; ok
    (func (export "init") (param i32 i32) (result i32)
      (global.set $free (i32.const 4096))
      (i32.store8 (i32.const 0) (i32.const 0))
      (i32.const 0))

    ;; A key of the secret for the algorithm at $name. The result is at 32: is it an error; at 36 the handle, or the
    ;; error's text.
    (func $make (param $name i32)
      (call $from-bytes (i32.const 152) (i32.const 15) (local.get $name) (i32.const 5) (i32.const 32)))

    (func $is-error (result i32) (i32.load8_u (i32.const 32)))

    ;; allow is 1, discard is 3
    (func $allow-if (param $is i32)
      (i32.store8 (i32.const 64) (select (i32.const 1) (i32.const 3) (local.get $is))))

    ;; allow, or replace (2) by the error's text; a key that was made is dropped
    (func $allow-or-tell
      (call $allow-if (i32.eqz (call $is-error)))
      (if (call $is-error)
        (then
          (i32.store8 (i32.const 64) (i32.const 2))
          (i64.store (i32.const 72) (i64.load (i32.const 36))))
        (else (call $drop-key (i32.load (i32.const 36))))))

    ;; Handles are kept from 2048 on.
    (func $fill (local $count i32)
      (block $full
        (loop $more
          (call $make (i32.const 128))
          (br_if $full (call $is-error))
          (i32.store (i32.add (i32.const 2048) (i32.shl (local.get $count) (i32.const 2))) (i32.load (i32.const 36)))
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (br_if $more (i32.lt_u (local.get $count) (i32.const 100)))))
      (call $allow-if (i32.eq (local.get $count) (i32.const 64)))
      (loop $less
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (call $drop-key (i32.load (i32.add (i32.const 2048) (i32.shl (local.get $count) (i32.const 2)))))
        (br_if $less (local.get $count))))

    (func (export "on-publish") (param $session i32) (param $channel i32) (param $channel-len i32) (param $data i32) (param $data-len i32) (result i32)
      (local $what i32)
      (call $drop-session (local.get $session))
      (local.set $what (i32.load8_u (local.get $data)))
      (call $allow-if (i32.const 0))
      (if (i32.eq (local.get $what) (i32.const 0x76)) ;; v
        (then
          (call $make (i32.const 128))
          (call $allow-if (call $verify (i32.load (i32.const 36))
            (i32.add (local.get $data) (i32.const 33)) (i32.sub (local.get $data-len) (i32.const 33))
            (i32.add (local.get $data) (i32.const 1)) (i32.const 32)))
          (call $drop-key (i32.load (i32.const 36)))))
      (if (i32.eq (local.get $what) (i32.const 0x6b)) ;; k
        (then (call $fill)))
      (if (i32.eq (local.get $what) (i32.const 0x6a)) ;; j
        (then
          (call $from-jwk (i32.add (local.get $data) (i32.const 1)) (i32.sub (local.get $data-len) (i32.const 1))
            (i32.const 136) (i32.const 5) (i32.const 32))
          (call $allow-or-tell)))
      (if (i32.eq (local.get $what) (i32.const 0x61)) ;; a
        (then (call $make (i32.const 144)) (call $allow-or-tell)))
      (if (i32.eq (local.get $what) (i32.const 0x6d)) ;; m
        (then (call $sha256 (i32.const 4096) (i32.const 0x100000) (i32.const 32)) (call $allow-if (i32.const 1))))
      (if (i32.eq (local.get $what) (i32.const 0x4d)) ;; M
        (then (call $sha256 (i32.const 4096) (i32.const 0x100001) (i32.const 32)) (call $allow-if (i32.const 1))))
      (if (i32.eq (local.get $what) (i32.const 0x73)) ;; s
        (then
          (call $hmac (i32.const 4096) (i32.const 0x4000) (i32.const 128) (i32.const 5) (i32.const 32))
          (call $allow-if (i32.const 1))))
      (if (i32.eq (local.get $what) (i32.const 0x53)) ;; S
        (then
          (call $hmac (i32.const 4096) (i32.const 0x4001) (i32.const 128) (i32.const 5) (i32.const 32))
          (call $allow-if (i32.const 1))))
      (global.set $free (i32.const 4096))
      (i32.const 64)))

  (core instance $host
    (export "drop-session" (func $drop-session))
    (export "drop-key" (func $drop-key))
    (export "from-bytes" (func $from-bytes))
    (export "from-jwk" (func $from-jwk))
    (export "verify" (func $verify))
    (export "sha256" (func $sha256))
    (export "hmac" (func $hmac)))
  (core instance $code (instantiate $guest (with "memory" (instance $memory)) (with "host" (instance $host))))

  (func $init (param "config" string) (result (result (error string)))
    (canon lift (core func $code "init") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (instance $lifecycle (export "init" (func $init)))
  (export "sluicegate:plugin/lifecycle@0.1.0" (instance $lifecycle))

  (func $on-publish (param "session" (borrow $session)) (param "channel" string) (param "data" (list u8)) (result $publish-verdict)
    (canon lift (core func $code "on-publish") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (instance $publish (export "on-publish" (func $on-publish)))
  (export "sluicegate:plugin/publish-hook@0.1.0" (instance $publish)))
