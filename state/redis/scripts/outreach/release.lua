-- Gives a claim back. Answers {'released'}, {'free'} when nobody holds it, or {why not: 'unknown', 'taken'}.
-- KEYS: record, version
local record, version = KEYS[1], KEYS[2]
local now, agent = tonumber(ARGV[1]), ARGV[2]

if redis.call('EXISTS', record) == 0 then
  return {'unknown'}
end
local held = holder(record, now)
if held ~= '' and held ~= agent then
  return {'taken'}
end
if redis.call('HGET', record, 'claimed_by') ~= agent then
  return {'free'}
end
redis.call('HDEL', record, 'claimed_by', 'claimed_until_ms')
redis.call('INCR', version)
return {'released'}
