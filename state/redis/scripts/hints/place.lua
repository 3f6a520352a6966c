-- Places a hint once. Answers {1}, or {0} when it is known already.
-- KEYS: record, open, documents, chatbot hint, desk; desk channel x 3; chatbot channel x 3; expiring
local record, open, documents, chatbot, desk = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now, expiry = tonumber(ARGV[1]), tonumber(ARGV[2])
local fresh, kept, kept_after = ARGV[3], ARGV[4], tonumber(ARGV[5])
local id, customer, customer_json, desk_id = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local transaction, surfaces, rank = ARGV[10], ARGV[11], ARGV[12]
local for_desk, for_chatbot, speaks = ARGV[13], ARGV[14], ARGV[15]
local document, event = ARGV[16], ARGV[17]

if redis.call('EXISTS', record) == 1 then
  return {0}
end
local is_open = expiry > now
redis.call('HSET', record, 'document', document, 'state', is_open and 'created' or 'expired', 'cause', '',
  'customer', customer, 'desk', desk_id, 'transaction', transaction, 'surfaces', surfaces, 'rank', rank,
  'expires_at_ms', ARGV[2], 'branch', ARGV[18], 'region', ARGV[19])
redis.call('PEXPIRE', record, string.format('%.0f', math.max(expiry - now, 0) + kept_after))
if not is_open then
  return {1}
end
redis.call('ZADD', KEYS[12], ARGV[2], id)
redis.call('ZADD', open, rank, id)
redis.call('HSET', documents, id, ARGV[2] .. ' ' .. for_chatbot .. ' ' .. document)
rebuild(open, documents, chatbot, customer_json, now)
if for_desk == '1' then
  redis.call('ZREMRANGEBYSCORE', desk, '-inf', ARGV[1])
  redis.call('ZADD', desk, ARGV[2], id)
  publish_event(KEYS[6], KEYS[7], KEYS[8], fresh, kept, event)
end
if for_chatbot == '1' and speaks == 'now' then
  publish_event(KEYS[9], KEYS[10], KEYS[11], fresh, kept, event)
elseif for_chatbot == '1' and speaks == 'later' then
  redis.call('HSET', record, 'unspoken', event)
end
return {1}
