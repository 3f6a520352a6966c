-- Puts the events of dead letters back on the bus and marks the letters, all or none; what is marked stays as it is.
-- Answers {0, how many went, 0}, or {which key is full, its length, how many were to come}.
-- KEYS: marks, then partitions; ARGV: limit, then for each letter: name, mark, which key, k, t, e
local marks, limit = KEYS[1], tonumber(ARGV[1])
local going, adding = {}, {}
for at = 2, #ARGV, 6 do
  if redis.call('HEXISTS', marks, ARGV[at]) == 0 then
    local partition = tonumber(ARGV[at + 2])
    adding[partition] = (adding[partition] or 0) + 1
    going[#going + 1] = at
  end
end
for partition, count in pairs(adding) do
  local length = redis.call('XLEN', KEYS[partition])
  if length + count > limit then
    return {partition, length, count}
  end
end
for _, at in ipairs(going) do
  redis.call('XADD', KEYS[tonumber(ARGV[at + 2])], '*', 'k', ARGV[at + 3], 't', ARGV[at + 4], 'e', ARGV[at + 5])
  redis.call('HSET', marks, ARGV[at], ARGV[at + 1])
end
return {0, #going, 0}
