-- Drops what has expired of one customer's open hints and writes anew what a chatbot reads.
-- Documents are joined as they stand: decoding and encoding again would turn [] into {}.
local function rebuild(open, documents, chatbot, customer, now)
  local best, best_until, open_until = {}, 0, 0
  for _, id in ipairs(redis.call('ZREVRANGE', open, 0, -1)) do
    local held = redis.call('HGET', documents, id) or '0 0 '
    local expiry, for_chatbot, document = string.match(held, '^(%d+) (%d) (.*)$')
    expiry = tonumber(expiry)
    if expiry <= now then
      redis.call('ZREM', open, id)
      redis.call('HDEL', documents, id)
    else
      open_until = math.max(open_until, expiry)
      if for_chatbot == '1' and #best < 3 then
        best[#best + 1] = document
        best_until = math.max(best_until, expiry)
      end
    end
  end
  if open_until > 0 then
    redis.call('PEXPIRE', open, string.format('%.0f', open_until - now))
    redis.call('PEXPIRE', documents, string.format('%.0f', open_until - now))
  end
  if #best == 0 then
    redis.call('DEL', chatbot)
  else
    local text = '{"customer_id":' .. customer .. ',"hints":[' .. table.concat(best, ',') .. ']}'
    redis.call('SET', chatbot, text, 'PX', string.format('%.0f', best_until - now))
  end
end
