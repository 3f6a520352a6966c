-- Adds events to their partitions, all or none. Answers {0, 0}, or {which key is full, its length}.
-- KEYS: partitions; ARGV: limit, how many for each partition, then k t e of each event in that order
local limit = tonumber(ARGV[1])
for number, partition in ipairs(KEYS) do
  local length = redis.call('XLEN', partition)
  if length + tonumber(ARGV[number + 1]) > limit then
    return {number, length}
  end
end
local at = #KEYS + 2
for number, partition in ipairs(KEYS) do
  for _ = 1, tonumber(ARGV[number + 1]) do
    redis.call('XADD', partition, '*', 'k', ARGV[at], 't', ARGV[at + 1], 'e', ARGV[at + 2])
    at = at + 3
  end
end
return {0, 0}
