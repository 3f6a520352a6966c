-- Moves a hint to another state. Answers {1, the new state}, or {0, the state it stays in ('' unknown)}.
-- KEYS: record, open, documents, chatbot hint, desk; desk channel x 3; chatbot channel x 3; expiring
local record, open, documents, chatbot, desk = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now, fresh, kept = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local id, customer_json, wanted, cause, ends = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
-- The states it may come from, each between bars: |created|shown|
local origins, desk_event, chatbot_event = ARGV[9], ARGV[10], ARGV[11]

local state = redis.call('HGET', record, 'state') or ''
if state == '' or not string.find(origins, '|' .. state .. '|', 1, true) then
  return {0, state}
end
redis.call('HSET', record, 'state', wanted, 'cause', cause)
if ends == '1' then
  redis.call('HDEL', record, 'unspoken')
  redis.call('ZREM', KEYS[12], id)
  redis.call('ZREM', open, id)
  redis.call('HDEL', documents, id)
  redis.call('ZREM', desk, id)
  rebuild(open, documents, chatbot, customer_json, now)
end
if desk_event ~= '' then
  publish_event(KEYS[6], KEYS[7], KEYS[8], fresh, kept, desk_event)
end
if chatbot_event ~= '' then
  publish_event(KEYS[9], KEYS[10], KEYS[11], fresh, kept, chatbot_event)
end
return {1, wanted}
