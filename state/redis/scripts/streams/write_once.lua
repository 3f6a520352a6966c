-- Adds what has not been written yet. Answers {how many were new}.
-- KEYS: stream, then one mark for each; ARGV: newest kept, how long a mark lasts (ms), then the documents
local new = 0
for number = 2, #KEYS do
  if redis.call('SET', KEYS[number], '1', 'NX', 'PX', ARGV[2]) then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'e', ARGV[number + 1])
    new = new + 1
  end
end
return {new}
