-- A session is present from now on.
-- KEYS  1 members   ARGV  1 session  2 member  3 channel  4 what to tell it, '': nothing  5 PUBLISH or SPUBLISH
--       6 for how long members are kept that nobody keeps, in ms
local came = redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
if came == 1 then
  local version = next_version()
  redis.call('HSET', KEYS[1], '', version)
  if ARGV[4] ~= '' then
    redis.call(ARGV[5], ARGV[3], 'J' .. version .. ' ' .. ARGV[4])
  end
end
return came
