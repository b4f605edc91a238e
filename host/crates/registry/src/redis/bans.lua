-- Lists a tenant's bans that hold, in the order of their ends: those of plugins first, then those of operators.
-- KEYS  1 the tenant's bans by their ends
-- ARGV  1 what is added to the ends of operators' bans  2 entries at most  3 after this end, what is added included
--       4 and among those of this end, after this subject
-- Gives {subject, end, subject, end, …}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local operators, limit, after = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
-- By bytes: Lua compares by the server's locale.
local function is_after(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = one:byte(i), other:byte(i)
    if a ~= b then return a > b end
  end
  return #one > #other
end
local listed = {}
for group, from in ipairs({now + 1, operators + now + 1}) do
  local high = group == 1 and '(' .. ARGV[1] or '+inf'
  local low = string.format('%.0f', math.max(from, after))
  local skip = 0
  while #listed < 2 * limit do
    local some = redis.call('ZRANGEBYSCORE', KEYS[1], low, high, 'WITHSCORES', 'LIMIT', skip, limit)
    for i = 1, #some, 2 do
      local is_next = tonumber(some[i + 1]) > after or is_after(some[i], ARGV[4])
      if is_next and #listed < 2 * limit then
        table.insert(listed, some[i])
        table.insert(listed, some[i + 1])
      end
    end
    if #some == 0 then break end
    skip = skip + limit
  end
end
return listed
