-- Begins a channel's life when it has none: Redis is new, or was emptied.
local function begin_channel(stream, epoch, offset, fresh)
  if redis.call('EXISTS', epoch, offset) == 2 then
    return
  end
  redis.call('DEL', stream)
  redis.call('SET', epoch, fresh)
  redis.call('SET', offset, '0')
end

-- Adds one event under the next offset, keeps the newest, and rings with it for whoever listens to this stream.
local function tell_channel(stream, epoch, offset, fresh, kept, event)
  begin_channel(stream, epoch, offset, fresh)
  local id = string.format('%.0f-0', redis.call('INCR', offset))
  redis.call('XADD', stream, 'MAXLEN', kept, id, 'e', event)
  redis.call('PUBLISH', stream, id .. ' ' .. event)
end
