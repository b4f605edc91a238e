-- Gives up the places of processes that are gone, among a tenant's or a user's.
-- KEYS  1 the places   ARGV  1… the instances that are there
-- Gives how many were given up.
local there = {}
for _, instance in ipairs(ARGV) do
  there[instance] = true
end
local given_up = 0
for _, place in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf')) do
  local instance = string.match(place, '^([^\n]*)\n')
  -- Nodes of earlier versions do not say whose a place is.
  if instance and not there[instance] then
    redis.call('ZREM', KEYS[1], place)
    given_up = given_up + 1
  end
end
return given_up
