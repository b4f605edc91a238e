-- Which of the tenants that a node knows are lost, or older, here.
-- KEYS  1 state  2 tenants
-- ARGV  a name and a version each
-- Gives their numbers, from 0.
local lost = {}
local forgotten = redis.call('HGET', KEYS[1], 'forgotten_version') or 0
for at = 1, #ARGV, 2 do
  local entry = redis.call('HGET', KEYS[2], ARGV[at])
  local present = entry and string.match(entry, '^%d+') or forgotten
  if tonumber(ARGV[at + 1]) > tonumber(present) then
    table.insert(lost, (at - 1) / 2)
  end
end
return lost
