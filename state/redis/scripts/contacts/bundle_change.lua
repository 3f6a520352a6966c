-- Changes what a bundle says the customer struggles with (empty: no more). Answers {1}, or {0} when it was changed
-- already or the bundle is not the customer's any more.
-- KEYS: mark, bundle; desk channel x 3
local fresh, kept, remembered, id, struggling, event = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]

if redis.call('HGET', KEYS[2], 'id') ~= id or not redis.call('SET', KEYS[1], '1', 'NX', 'PX', remembered) then
  return {0}
end
redis.call('HSET', KEYS[2], 'struggling', struggling)
publish_event(KEYS[3], KEYS[4], KEYS[5], fresh, kept, event)
return {1}
