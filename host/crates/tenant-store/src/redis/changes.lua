-- A page of what was changed after a mark.
-- KEYS  1 state  2 tenants  3 changes
-- ARGV  1 the server's run  2 the mark's run, or '' for none  3 the mark's revision  4 tenants at most  5 bytes after which
--       the page ends
-- Gives {} where the mark is of another run; else {run, revision of the next mark, 1 if there is more, 1 if it is from
-- the beginning, and a name and an entry for each}.
if ARGV[2] ~= '' and ARGV[2] ~= ARGV[1] then
  return {}
end
local state = redis.call('HMGET', KEYS[1], 'revision', 'forgotten_revision')
local since = tonumber(ARGV[3])
-- What was deleted and is forgotten is in no page.
local from_the_beginning = since == 0 or since < tonumber(state[2] or 0)
if from_the_beginning then
  since = 0
end
local last = state[1] or '0'
local page = {ARGV[1], last, 0, from_the_beginning and 1 or 0}
if since >= tonumber(last) then
  return page
end
local limit = tonumber(ARGV[4])
local changes = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. string.format('%.0f', since), '+inf', 'WITHSCORES', 'LIMIT', 0,
  limit + 1)
local bytes = 0
for at = 1, #changes, 2 do
  if at > 2 * limit or bytes >= tonumber(ARGV[5]) then
    page[2], page[3] = changes[at - 1], 1
    break
  end
  local entry = redis.call('HGET', KEYS[2], changes[at])
  if entry then
    table.insert(page, changes[at])
    table.insert(page, entry)
    bytes = bytes + #entry
  end
end
return page
