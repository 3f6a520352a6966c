-- Notes that hints have been put in front of a desk or bot for the first time. Answers {how many were new}.
-- KEYS: records
local new = 0
for _, record in ipairs(KEYS) do
  if redis.call('HGET', record, 'state') == 'created' then
    redis.call('HSET', record, 'state', 'delivered')
    new = new + 1
  end
end
return {new}
