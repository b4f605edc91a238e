-- Gives back a tenant that was lost, as a node knows it. What is there in a later version stays, and so does what may have
-- been deleted: its tombstone may be forgotten.
-- ARGV  1 name  2 its entry  3 tombstones at most
-- Gives 1, or 0 where nothing was lost.
local version = tonumber((parts(ARGV[2])))
local present = parts(redis.call('HGET', KEYS[2], ARGV[1]))
if version <= tonumber(present or number('forgotten_version')) then
  return 0
end
put(ARGV[1], ARGV[2], tonumber(ARGV[3]))
return 1
