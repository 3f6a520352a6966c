-- Takes an entry from every list it is on; its record stays, so that it is never listed twice.
local function take_off(record, open, journey_open, customer_entries, version, id, cause)
  redis.call('HSET', record, 'state', 'ended', 'cause', cause)
  redis.call('ZREM', open, id)
  redis.call('ZREM', journey_open, id)
  redis.call('SREM', customer_entries, id)
  redis.call('INCR', version)
end

-- Who holds a claim now, or '' when nobody does or the lease has run out.
local function holder(record, now)
  local held = redis.call('HMGET', record, 'claimed_by', 'claimed_until_ms')
  if held[1] and tonumber(held[2] or '0') > now then
    return held[1]
  end
  return ''
end
