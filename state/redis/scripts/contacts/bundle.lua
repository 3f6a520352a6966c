-- Writes a bundle once. Answers {1}, or {0} when it was written already.
-- KEYS: mark, bundle, desk's bundles; desk channel x 3
local now, expiry, fresh, kept, remembered = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local customer, id, agent, document, event = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]

if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', remembered) then
  return {0}
end
if expiry <= now then
  return {1}
end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'id', id, 'agent', agent, 'document', document)
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', expiry - now))
if agent ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[1])
  redis.call('ZADD', KEYS[3], ARGV[2], customer)
  publish_event(KEYS[4], KEYS[5], KEYS[6], fresh, kept, event)
end
return {1}
