-- What is stored and what is pending of one user's pairs, beside the rev of the user's history.
-- KEYS: rows, index, rev.
-- Returns {rev or nil, {item, rev of its row, ...}, {item, expiry of its pending mark in ms, ...}}.
local items, pending = {}, {}
local members = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. digits(now_ms()), '+inf', 'WITHSCORES')
for i = 1, #members, 2 do
  if string.byte(members[i], 1) == 126 then
    pending[#pending + 1] = string.sub(members[i], 2)
    pending[#pending + 1] = members[i + 1]
  else
    items[#items + 1] = members[i]
  end
end
local stored = {}
if #items > 0 then
  -- The hash may have been evicted without the index.
  for i, row in ipairs(redis.call('HMGET', KEYS[1], unpack(items))) do
    if row then
      stored[#stored + 1] = items[i]
      stored[#stored + 1] = rev_of(row)
    end
  end
end
return {redis.call('GET', KEYS[3]), stored, pending}
