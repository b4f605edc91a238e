-- Puts an order about a user's ban where its stamp says among the others, whenever it arrives.
-- KEYS  1 the user's ban
-- ARGV  1 time  2 sequence  3 instance of its stamp  4 'replace' (a ban in place of all earlier ones, or their end) or
--       'extend' (a ban that leaves a longer one as it is)  5 what is left of its ban, in ms  6 for how long orders are
--       remembered, in ms  7 extensions that are kept apart at most
-- Gives {}, or the time, sequence and instance of the later order that replaced what came before it.
-- Fields: until, when the ban ends, in ms; replaced, the latest order of its kind; extensions, those after it. An order
-- is {time, sequence, instance, when its ban ends}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function is_later(one, other)
  if one[1] ~= other[1] then return one[1] > other[1] end
  if one[2] ~= other[2] then return one[2] > other[2] end
  -- By bytes: Lua compares by the server's locale.
  for i = 1, math.min(#one[3], #other[3]) do
    local a, b = one[3]:byte(i), other[3]:byte(i)
    if a ~= b then return a > b end
  end
  return #one[3] > #other[3]
end
local kept = redis.call('HMGET', KEYS[1], 'replaced', 'extensions')
local replaced = kept[1] and cjson.decode(kept[1])
local extensions = kept[2] and cjson.decode(kept[2]) or {}
local order = {tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], now + tonumber(ARGV[5])}
if replaced and not is_later(order, replaced) then
  if is_later(replaced, order) then
    return {string.format('%.0f', replaced[1]), string.format('%.0f', replaced[2]), replaced[3]}
  end
  return {}
end
if ARGV[4] == 'extend' then
  table.insert(extensions, order)
else
  replaced = order
end
table.sort(extensions, is_later)
-- From the latest to the earliest: what does not end after all later ones does not matter.
local matter, longest = {}, 0
for _, extension in ipairs(extensions) do
  if extension[4] > longest and not (replaced and not is_later(extension, replaced)) then
    table.insert(matter, extension)
    longest = extension[4]
  end
end
if #matter > tonumber(ARGV[7]) then
  local earliest = table.remove(matter)
  matter[#matter][4] = earliest[4]
end
local ends = math.max(longest, replaced and replaced[4] or 0)
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', ends), 'extensions', cjson.encode(matter))
if replaced then
  redis.call('HSET', KEYS[1], 'replaced', cjson.encode(replaced))
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(ends - now, tonumber(ARGV[6]))))
return {}
