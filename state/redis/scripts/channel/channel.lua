-- The name of a channel's life; begins one when it has none: Redis is new, or was emptied.
local function channel_life(stream, epoch, offset, fresh)
  local found = redis.call('MGET', epoch, offset)
  if found[1] and found[2] then
    return found[1]
  end
  redis.call('DEL', stream)
  redis.call('SET', epoch, fresh)
  redis.call('SET', offset, '0')
  return fresh
end

-- Adds one event under the next offset, keeps the newest, and notifies with its id, the life's name and itself for whoever listens.
local function publish_event(stream, epoch, offset, fresh, kept, event)
  local life = channel_life(stream, epoch, offset, fresh)
  local id = string.format('%.0f-0', redis.call('INCR', offset))
  redis.call('XADD', stream, 'MAXLEN', kept, id, 'e', event)
  redis.call('PUBLISH', stream, id .. ' ' .. life .. ' ' .. event)
end
