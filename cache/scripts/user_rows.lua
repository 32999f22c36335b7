#!lua
-- Store the rows of one user whose rev is not below the stored one's; drop fields that are no longer kept.
-- KEYS: the user's hash.  ARGV: ttl, number of kept fields, the kept fields, then field and row of each row.
-- Returns the number of rows stored.
local now = now_ms()
local expires = now + tonumber(ARGV[1])
local num_kept = tonumber(ARGV[2])
local kept = {}
for i = 3, 2 + num_kept do
  kept[ARGV[i]] = true
end
local num_stored = 0
for i = 3 + num_kept, #ARGV, 2 do
  local field, row = ARGV[i], ARGV[i + 1]
  kept[field] = true
  if rev_of(row) >= rev_of(redis.call('HGET', KEYS[1], field)) then
    redis.call('HSET', KEYS[1], field, stamped(row, now, expires))
    num_stored = num_stored + 1
  end
end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if not kept[field] then
    redis.call('HDEL', KEYS[1], field)
  end
end
if num_stored > 0 then
  live_until(KEYS[1], expires)  -- a negative answer must not shorten the life of the other releases' rows
end
return num_stored
