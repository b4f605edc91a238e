-- Redeems a ticket, once.
-- KEYS  1 the ticket  2 the tenant's tickets that were not redeemed, by their ends  3 those that resume a stream, by theirs
-- ARGV  1 its id  2 '1': it opens a stream, and resumes it later  3 the run of this server
-- Gives its sealed token, or nothing.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = redis.call('HMGET', KEYS[1], 'sealed', 'run', 'redeemable_until', 'resumable_until', 'redeemed')
-- What a server read from its disk, or had as a replica, may have been redeemed since: another run redeems nothing.
if not kept[1] or kept[5] or kept[2] ~= ARGV[3] or tonumber(kept[3]) <= now then
  return false
end
redis.call('ZREM', KEYS[2], ARGV[1])
local left = tonumber(kept[4]) - now
if ARGV[2] ~= '1' or left <= 0 then
  redis.call('DEL', KEYS[1])
  return kept[1]
end
left = string.format('%.0f', left)
redis.call('HSET', KEYS[1], 'redeemed', '1')
redis.call('PEXPIRE', KEYS[1], left)
redis.call('ZADD', KEYS[3], kept[4], ARGV[1])
if redis.call('PTTL', KEYS[3]) < tonumber(left) then
  redis.call('PEXPIRE', KEYS[3], left)
end
return kept[1]
