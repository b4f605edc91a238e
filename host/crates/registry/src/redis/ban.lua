-- Puts an order about a ban where its stamp says among the others, whenever it arrives.
-- KEYS  1 the subject's ban  2 the tenant's bans, or revocations, by their ends: those of plugins first, then those of operators
-- ARGV  1 time  2 sequence  3 instance of its stamp  4 'replace' (a ban in place of all earlier ones, or their end) or
--       'extend' (a ban that leaves a longer one as it is)  5 what is left of its ban, in ms  6 for how long orders are
--       remembered, in ms  7 extensions that are kept apart at most  8 the subject among the tenant's bans  9 bans of the
--       tenant at most  10 what names of the tenant's keys begin with  11 what is added to the ends of operators' bans
-- Gives {}, {'full'}, or the time, sequence and instance of the later order that replaced what came before it.
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
local operators = tonumber(ARGV[11])
local function first(low, high)
  return redis.call('ZRANGEBYSCORE', KEYS[2], low, high, 'LIMIT', 0, 1)[1]
end
local kinds = {['u:'] = 'ban:', ['a:'] = 'address-ban:', ['j:'] = 'revoked-token:', ['t:'] = 'revoked-user:'}
local function forget(member)
  local kind = kinds[string.sub(member, 1, 2)]
  if kind then
    redis.call('DEL', ARGV[10] .. kind .. string.sub(member, 3))
  end
  redis.call('ZREM', KEYS[2], member)
end
-- Bans that Redis has dropped, a few each time. Two groups: those of operators that are over stand behind all others.
for _, from in ipairs({0, operators}) do
  local dropped = first(from, from + now - tonumber(ARGV[6]))
  if dropped then
    forget(dropped)
  end
end
if not kept[1] and not kept[2] and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[9])
    and not redis.call('ZSCORE', KEYS[2], ARGV[8]) then
  -- What is over gives way first, then of the bans of plugins the one that ends first. The operator's never does.
  local gives_way = first(0, now) or first(operators, operators + now)
  local lifts = ARGV[4] == 'replace' and tonumber(ARGV[5]) == 0
  if not gives_way and not lifts then
    gives_way = first(0, ARGV[4] == 'replace' and '(' .. ARGV[11] or '(' .. string.format('%.0f', order[4]))
  end
  if not gives_way then
    -- A lift of what is not there need not be remembered.
    return lifts and {} or {'full'}
  end
  forget(gives_way)
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
local lives = math.max(ends - now, tonumber(ARGV[6]))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lives))
local group = (replaced and replaced[4] > now) and operators or 0
redis.call('ZADD', KEYS[2], string.format('%.0f', group + ends), ARGV[8])
if redis.call('PTTL', KEYS[2]) < lives then
  redis.call('PEXPIRE', KEYS[2], string.format('%.0f', lives))
end
return {}
