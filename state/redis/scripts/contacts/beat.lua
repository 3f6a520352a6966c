-- Records that desks are on line, two values each: its id, its seat. Answers {how many}.
-- KEYS: on line; presence of each desk. ARGV: until when (epoch ms), for how long (ms)
for number = 2, #KEYS do
  local desk, seat = ARGV[2 * number - 1], ARGV[2 * number]
  redis.call('SET', KEYS[number], seat, 'PX', ARGV[2])
  redis.call('ZADD', KEYS[1], ARGV[1], desk)
end
return {#KEYS - 1}
