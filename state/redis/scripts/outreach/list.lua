-- Puts an entry on the list once. Answers {1}, or {0} when it is known already.
-- KEYS: record, open, open of the journey, the customer's entries, version, customers not to be called
local record, open, journey_open, customer_entries, version, forbidden = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local now, expiry, kept_after = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local id, customer, journey, rank, lease, document = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]

if redis.call('EXISTS', record) == 1 then
  return {0}
end
local cause = ''
if expiry <= now then
  cause = 'expired'
elseif redis.call('SISMEMBER', forbidden, customer) == 1 then
  cause = 'do_not_call'
end
redis.call('HSET', record, 'document', document, 'customer', customer, 'journey', journey, 'lease_ms', lease,
  'expires_at_ms', ARGV[2], 'state', cause == '' and 'open' or 'ended', 'cause', cause)
local kept = string.format('%.0f', math.max(expiry - now, 0) + kept_after)
redis.call('PEXPIRE', record, kept)
if cause == '' then
  redis.call('ZADD', open, rank, id)
  redis.call('ZADD', journey_open, rank, id)
  redis.call('SADD', customer_entries, id)
  redis.call('PEXPIRE', customer_entries, kept)
  redis.call('INCR', version)
end
return {1}
