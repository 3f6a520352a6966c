-- Where a channel stands: {epoch, last offset, oldest kept offset}.
-- KEYS: channel x 3
local life = channel_life(KEYS[1], KEYS[2], KEYS[3], ARGV[1])
local last = redis.call('GET', KEYS[3])
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local first = oldest and string.match(oldest[1], '^%d+') or string.format('%.0f', tonumber(last) + 1)
return {life, last, first}
