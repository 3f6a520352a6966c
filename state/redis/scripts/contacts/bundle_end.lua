-- Ends a bundle. Answers {1}, or {0} when it is not the customer's bundle any more.
-- KEYS: bundle, desk's bundles; desk channel x 3
local fresh, kept, customer, id, agent, event = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]

if redis.call('HGET', KEYS[1], 'id') ~= id then
  return {0}
end
redis.call('DEL', KEYS[1])
if agent ~= '' then
  redis.call('ZREM', KEYS[2], customer)
  publish_event(KEYS[3], KEYS[4], KEYS[5], fresh, kept, event)
end
return {1}
