-- Lists a node.   KEYS  1 node   ARGV  1 for how long it is listed, in ms  2… its fields
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
