#!lua
-- Mark items as requested, unless they already are.
-- KEYS: rows, index.  ARGV: expiry in ms, then the items.
-- Returns the positions (from 1) of the items marked now.
local rows, index = KEYS[1], KEYS[2]
drop_expired_pairs(rows, index, now_ms())
local marked = {}
for i = 2, #ARGV do
  local mark = '~' .. ARGV[i]
  if not redis.call('ZSCORE', index, mark) then
    redis.call('ZADD', index, ARGV[1], mark)
    marked[#marked + 1] = i - 1
  end
end
if #marked > 0 then
  live_until(index, tonumber(ARGV[1]))
end
return marked
