-- Takes tokens from a bucket, or gives some back.
--
-- KEYS  1 bucket
-- ARGV  1 tokens it regains a second  2 tokens it holds at most  3 tokens that were spent without asking; if
--       negative, that come back  4 less than this is not taken  5 more than this is not wanted
-- Gives {tokens taken, tokens left} as text. Only what changes is written down, so refusals add no rounding.
local rate, burst, settle = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local need, want = tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local known = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if known[1] then
  -- Another server may be behind.
  local passed = math.max(0, now - known[2])
  tokens = math.min(burst, known[1] + passed * rate / 1000)
end
tokens = math.max(0, math.min(burst, tokens - settle))
local given = 0
if want > 0 and tokens + 1e-6 >= need then
  given = math.max(need, math.min(want, math.floor(tokens)))
  tokens = math.max(0, tokens - given)
end
if given > 0 or settle ~= 0 then
  -- One that is full again is as good as none. One that never is has to end some time: after a week.
  local full = 604800000
  if rate > 0 then
    full = math.min(full, (burst - tokens) / rate * 1000)
  end
  redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', string.format('%.3f', now))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(full) + 1))
end
return {string.format('%.17g', given), string.format('%.17g', tokens)}
