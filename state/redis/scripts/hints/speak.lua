-- Publishes a hint that had to wait to the chatbot channel. Answers {1}, or {0} when there is nothing to say any more.
-- KEYS: record; chatbot channel x 3
local now, fresh, kept = tonumber(ARGV[1]), ARGV[2], ARGV[3]

-- A hint that has ended holds nothing unspoken: change_state.lua takes it away.
local found = redis.call('HMGET', KEYS[1], 'unspoken', 'expires_at_ms')
if not found[1] or tonumber(found[2]) <= now then
  return {0}
end
redis.call('HDEL', KEYS[1], 'unspoken')
publish_event(KEYS[2], KEYS[3], KEYS[4], fresh, kept, found[1])
return {1}
