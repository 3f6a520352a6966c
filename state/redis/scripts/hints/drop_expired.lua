-- Drops what has expired of one customer's open hints. Answers {1}.
-- KEYS: open, documents, chatbot hint
rebuild(KEYS[1], KEYS[2], KEYS[3], ARGV[1], tonumber(ARGV[2]))
return {1}
