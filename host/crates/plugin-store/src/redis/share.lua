-- A plugin's share: begins the scripts that put something into it.
--
-- KEYS  1 value  2 the plugin's keys, by when they end  3 their sizes, and the sum under ''
-- ARGV  1 key  2 …  3 time to live in ms, '': for ever  4 size  5 keys at most  6 bytes at most
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Takes keys out of the books that Redis has dropped, so many at most, and says whether there were any.
local function sweep(most)
  local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, most)
  for _, key in ipairs(ended) do
    redis.call('HINCRBY', KEYS[3], '', -(redis.call('HGET', KEYS[3], key) or 0))
    redis.call('HDEL', KEYS[3], key)
    redis.call('ZREM', KEYS[2], key)
  end
  return #ended > 0
end

local function fits()
  local old = redis.call('HGET', KEYS[3], ARGV[1])
  local keys = redis.call('ZCARD', KEYS[2]) + (old and 0 or 1)
  local bytes = (redis.call('HGET', KEYS[3], '') or 0) - (old or 0) + ARGV[4]
  return keys <= tonumber(ARGV[5]) and bytes <= tonumber(ARGV[6])
end

-- Puts a value under the key, if the share has room for it.
local function put(value)
  -- A few each time, so that a share is seldom full of what is over.
  sweep(8)
  while not fits() do
    if not sweep(64) then
      return false
    end
  end
  local ends = 'inf'
  if ARGV[3] == '' then
    redis.call('SET', KEYS[1], value)
  else
    redis.call('SET', KEYS[1], value, 'PX', ARGV[3])
    ends = string.format('%.0f', now + ARGV[3])
  end
  local old = redis.call('HGET', KEYS[3], ARGV[1]) or 0
  redis.call('HINCRBY', KEYS[3], '', ARGV[4] - old)
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
  redis.call('ZADD', KEYS[2], ends, ARGV[1])
  -- The books end with the last key.
  local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
  for book = 2, 3 do
    if last == 'inf' then
      redis.call('PERSIST', KEYS[book])
    else
      redis.call('PEXPIREAT', KEYS[book], string.format('%.0f', last))
    end
  end
  return true
end
