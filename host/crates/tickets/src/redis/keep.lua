-- Keeps a ticket, if there is room for it.
-- KEYS  1 the ticket  2 the tenant's tickets that were not redeemed, by their ends  3 those that resume a stream, by theirs
-- ARGV  1 its id  2 its sealed token  3 for how long it can be redeemed, in ms  4 for how long it resumes, in ms  5 tickets of the
--       tenant at most  6 how many give way at most  7 what names of tickets begin with  8 the run of this server
-- Gives {}, or {ms until the first of those that were not redeemed ends}: there is no room.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function ends(after)
  return string.format('%.0f', now + tonumber(after))
end
for number = 2, 3 do
  redis.call('ZREMRANGEBYSCORE', KEYS[number], '-inf', string.format('%.0f', now))
end
for _ = 1, tonumber(ARGV[6]) do
  if redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3]) < tonumber(ARGV[5]) then
    break
  end
  local gives_way = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '+inf', 'LIMIT', 0, 1)[1]
  if not gives_way then
    local first = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    return {math.max(1, tonumber(first[2]) - now)}
  end
  redis.call('ZREM', KEYS[3], gives_way)
  redis.call('DEL', ARGV[7] .. gives_way)
end
if tonumber(ARGV[3]) <= 0 then
  return {}
end
redis.call('HSET', KEYS[1], 'sealed', ARGV[2], 'run', ARGV[8], 'redeemable_until', ends(ARGV[3]), 'resumable_until', ends(ARGV[4]))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], ends(ARGV[3]), ARGV[1])
-- The last one that is issued ends last.
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return {}
