-- Takes tokens from a bucket, or gives some back.
--
-- KEYS  1 buckets of a part  2 the same by when each is full again, in ms
-- ARGV  1 bucket  2 tokens it regains a second  3 tokens it holds at most  4 tokens that were spent without asking; if
--       negative, that come back  5 less than this is not taken  6 more than this is not wanted  7 buckets of the part
--       at most  8 ms after which one is forgotten that is not full before  9 the same of one that never regains any
-- Gives {tokens taken, tokens left} as text. Only what changes is written down, so refusals add no rounding.
local rate, burst, settle = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local need, want = tonumber(ARGV[5]), tonumber(ARGV[6])
-- A long name is replaced by a digest: nobody can aim at another's.
local bucket = ARGV[1]
if #bucket > 40 then
  bucket = '#' .. redis.sha1hex(bucket)
end
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000

local function forget(most, last)
  local names = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', last, 'LIMIT', 0, most)
  for _, name in ipairs(names) do
    redis.call('HDEL', KEYS[1], name)
    redis.call('ZREM', KEYS[2], name)
  end
end

local known = redis.call('HGET', KEYS[1], bucket)
local tokens = burst
if known then
  local left, at, ends = string.match(known, '^(%S+) (%S+) (%S+)$')
  if tonumber(ends) > now then
    -- Another server may be behind.
    local passed = math.max(0, now - at)
    tokens = math.min(burst, left + passed * rate / 1000)
  end
end
tokens = math.max(0, math.min(burst, tokens - settle))
local given = 0
if want > 0 and tokens + 1e-6 >= need then
  given = math.max(need, math.min(want, math.floor(tokens)))
  tokens = math.max(0, tokens - given)
end
if given > 0 or settle ~= 0 then
  -- One that is full again is as good as none.
  local full = tonumber(ARGV[9])
  if rate > 0 then
    full = math.min(tonumber(ARGV[8]), math.ceil((burst - tokens) / rate * 1000))
  end
  -- A few each time, so that a part is seldom full of what is over.
  forget(4, now)
  if full <= 0 then
    redis.call('HDEL', KEYS[1], bucket)
    redis.call('ZREM', KEYS[2], bucket)
  else
    if not known and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[7]) then
      -- The one that is nearest to full.
      forget(1, '+inf')
    end
    local ends = string.format('%.0f', math.floor(now) + full + 1)
    redis.call('HSET', KEYS[1], bucket, string.format('%.17g %.3f %s', tokens, now, ends))
    redis.call('ZADD', KEYS[2], ends, bucket)
  end
  -- The part ends with the last bucket.
  local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
  if last then
    for part = 1, 2 do
      redis.call('PEXPIREAT', KEYS[part], string.format('%.0f', last))
    end
  end
end
return {string.format('%.17g', given), string.format('%.17g', tokens)}
