-- Gives the place of a session back.
-- KEYS  1 the tenant's places  2 the user's  3 the connection   ARGV  1 the session's place
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[3])
