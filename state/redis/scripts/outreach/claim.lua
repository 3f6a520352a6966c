-- Claims an entry, or renews the claim of the same agent. Answers {'claimed' or 'renewed', who, until (epoch ms)},
-- or {why not: 'unknown', 'over' (with the cause), 'taken' (with until)}.
-- KEYS: record, version, customers not to be called
local record, version = KEYS[1], KEYS[2]
local now, agent = tonumber(ARGV[1]), ARGV[2]

local found = redis.call('HMGET', record, 'state', 'cause', 'lease_ms', 'expires_at_ms', 'customer')
if not found[1] then
  return {'unknown', '', '0'}
elseif found[1] ~= 'open' then
  return {'over', found[2], '0'}
elseif tonumber(found[4]) <= now then
  return {'over', 'expired', '0'}
elseif redis.call('SISMEMBER', KEYS[3], found[5]) == 1 then
  return {'over', 'do_not_call', '0'}
end
local held = holder(record, now)
if held ~= '' and held ~= agent then
  return {'taken', held, redis.call('HGET', record, 'claimed_until_ms')}
end
local until_ms = string.format('%.0f', now + tonumber(found[3]))
redis.call('HSET', record, 'claimed_by', agent, 'claimed_until_ms', until_ms)
redis.call('INCR', version)
return {held == agent and 'renewed' or 'claimed', agent, until_ms}
