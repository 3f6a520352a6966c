-- Adds views to the audit trail, seven values each: at, who, role, how, kind, id, customer. Answers {how many}.
-- KEYS: the trail
for first = 1, #ARGV, 7 do
  redis.call('XADD', KEYS[1], '*', 'at', ARGV[first], 'who', ARGV[first + 1], 'role', ARGV[first + 2],
    'how', ARGV[first + 3], ARGV[first + 4], ARGV[first + 5], 'customer', ARGV[first + 6])
end
return {#ARGV / 7}
