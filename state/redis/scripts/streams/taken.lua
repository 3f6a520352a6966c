-- Remembers how far the engine holds a partition and lets go of what it holds. Answers {how many were let go}.
-- KEYS: partition, taken; ARGV: the entry id held, as ms and sequence
local function parts(id)
  local ms, sequence = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(sequence)
end

local ms, sequence = tonumber(ARGV[1]), tonumber(ARGV[2])
local known_ms, known_sequence = parts(redis.call('GET', KEYS[2]) or '0-0')
if known_ms > ms or (known_ms == ms and known_sequence >= sequence) then
  return {0}
end
redis.call('SET', KEYS[2], ARGV[1] .. '-' .. ARGV[2])
-- MINID keeps its own id: one further, and the entry held goes too, and nothing after it.
return {redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1] .. '-' .. string.format('%.0f', sequence + 1))}
