-- Hands an open hint from one desk or queue to another. Answers {1, the desk it is at now}, or {0, the desk it stays at
-- ('' unknown or over)}.
-- KEYS: record, desk before, desk after; channel before x 3; channel after x 3; awaited
local now, fresh, kept, id = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local before, after, gone, created, look_at = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
-- The states in which a hint may still be handed on, each between bars: |created|shown|
local open = ARGV[10]

local found = redis.call('HMGET', KEYS[1], 'state', 'desk', 'expires_at_ms')
if not found[1] or not string.find(open, '|' .. found[1] .. '|', 1, true) or tonumber(found[3]) <= now then
  redis.call('ZREM', KEYS[10], id)
  return {0, ''}
end
if found[2] ~= before then
  return {0, found[2]}
end
redis.call('HSET', KEYS[1], 'desk', after)
redis.call('ZREM', KEYS[2], id)
redis.call('ZADD', KEYS[3], found[3], id)
if look_at == '' then
  redis.call('ZREM', KEYS[10], id)
else
  redis.call('ZADD', KEYS[10], look_at, id)
end
publish_event(KEYS[4], KEYS[5], KEYS[6], fresh, kept, gone)
publish_event(KEYS[7], KEYS[8], KEYS[9], fresh, kept, created)
return {1, after}
