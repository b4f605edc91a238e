-- Takes a value away.
--
-- KEYS  1 value  2 the plugin's keys, by when they end  3 their sizes, and the sum under ''   ARGV  1 key
redis.call('DEL', KEYS[1])
local size = redis.call('HGET', KEYS[3], ARGV[1])
if size then
  redis.call('HINCRBY', KEYS[3], '', -size)
  redis.call('HDEL', KEYS[3], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return {ok = 'OK'}
