-- Ends an entry for a cause. Answers {1}, or {0} when it is unknown or over already.
-- KEYS: record, open, open of the journey, the customer's entries, version
local id, cause = ARGV[1], ARGV[2]

if redis.call('HGET', KEYS[1], 'state') ~= 'open' then
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
  return {0}
end
take_off(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], id, cause)
return {1}
