-- Remembers that an instance has sessions in a topic.
-- KEYS  1 the instance's topics   ARGV  1 topic  2 for how long that is kept, in ms
local new = redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return new
