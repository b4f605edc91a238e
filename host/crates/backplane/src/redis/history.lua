-- Reads a part of a history, and where it stands.
--
-- KEYS  1 place  2 stream  3 what unused channels tell (not in a Cluster)
-- ARGV  1 the server's run  2 an epoch nobody had  3 time of the history in ms  4 its size  5 after this offset, or
--       before it if reversed (-1: from the end that is asked for; never above 2^53)  6 messages at most (-1: all)
--       7 '1': newest first  8 now in ms  9 bytes of messages at most, but for the first
--       10 '1': for a subscriber. Else nothing is written: who only reads leaves no keys behind, and keeps none alive
-- Gives {epoch, offset, earlier epochs, oldest offset that is kept (0: none), entries, 1: there were too many bytes}.

-- An entry's id is 'offset-time'. Lua by itself writes a number as large as 1e14 with an exponent, which is no id.
local function id(offset)
  return string.format('%.0f-0', offset)
end

local known = redis.call('HMGET', KEYS[1], 'epoch', 'offset', 'before')
if not known[1] then
  local told = epoch_of_unused(KEYS[3], ARGV[1])
  if ARGV[10] ~= '1' then
    if not told then
      told = ARGV[2]
      tell_of_unused(KEYS[3], ARGV[1], told)
    end
    return {told, 0, '', 0, {}, 0}
  end
  -- An empty channel keeps the epoch that it tells its subscribers.
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'run', ARGV[1], 'offset', 0)
  known = {ARGV[2], '0', goes_on_from(KEYS[1], told)}
end
if ARGV[10] == '1' then
  -- A subscriber may come back with the position: it outlives the messages.
  redis.call('PEXPIRE', KEYS[1], ARGV[3] + 120000)
end
local newest = tonumber(known[2])
local low = math.max(newest - tonumber(ARGV[4]) + 1, 1)
local dead = tonumber(ARGV[8]) - tonumber(ARGV[3])
-- What is over its time goes, oldest first.
local oldest = 0
while true do
  local first = redis.call('XRANGE', KEYS[2], id(low), '+', 'COUNT', 64)
  local place = 1
  while first[place] and tonumber(string.match(first[place][1], '-(%d+)$')) <= dead do
    place = place + 1
  end
  if first[place] then
    oldest = tonumber(string.match(first[place][1], '^%d+'))
    low = oldest
    break
  end
  if not first[1] then
    break
  end
  low = tonumber(string.match(first[#first][1], '^%d+')) + 1
end
local entries = {}
local limit = tonumber(ARGV[6])
local since = tonumber(ARGV[5])
local room = tonumber(ARGV[9])
local command, from, to
if ARGV[7] == '1' then
  command, from, to = 'XREVRANGE', since < 0 and '+' or '(' .. id(since), id(low)
  if since == 0 then
    -- Nothing is before it, and '(0-0' is a place that Redis refuses.
    limit = 0
  end
else
  command, from, to = 'XRANGE', id(math.max(low, since + 1)), '+'
end
-- In parts, so that what is too much is never all in memory at once.
while oldest > 0 and (limit < 0 or #entries < limit) do
  local count = limit < 0 and 64 or math.min(limit - #entries, 64)
  local part = redis.call(command, KEYS[2], from, to, 'COUNT', count)
  for _, entry in ipairs(part) do
    room = room - #entry[2][2]
    if room < 0 and #entries > 0 then
      return {known[1], newest, known[3] or '', oldest, entries, 1}
    end
    entries[#entries + 1] = entry
  end
  if #part < count then
    break
  end
  from = '(' .. part[#part][1]
end
return {known[1], newest, known[3] or '', oldest, entries, 0}
