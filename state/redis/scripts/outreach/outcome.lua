-- Notes what came of a call; only of the agent who claimed last. What ended meanwhile (the customer came back) may
-- still be noted. Answers {'noted'}, {'again'} for the same outcome a second time, or {why not: 'unknown',
-- 'unclaimed', 'taken', 'over' (with the outcome noted before)}.
-- KEYS: record, open, open of the journey, the customer's entries, version, customers not to be called
local record = KEYS[1]
local now, agent, id, customer, outcome = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]

if redis.call('EXISTS', record) == 0 then
  return {'unknown', ''}
end
local before = redis.call('HMGET', record, 'outcome', 'claimed_by')
if before[1] then
  return {(before[1] == outcome and before[2] == agent) and 'again' or 'over', before[1]}
elseif not before[2] then
  return {'unclaimed', ''}
elseif before[2] ~= agent then
  return {'taken', ''}
end
redis.call('HSET', record, 'outcome', outcome, 'outcome_at_ms', ARGV[1])
if outcome == 'do_not_call' then
  redis.call('SADD', KEYS[6], customer)
end
if redis.call('HGET', record, 'state') == 'open' then
  take_off(record, KEYS[2], KEYS[3], KEYS[4], KEYS[5], id, 'called')
end
return {'noted', ''}
