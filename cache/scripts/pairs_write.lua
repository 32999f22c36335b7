#!lua
-- Store pair rows of one user whose rev is not below the stored one's, clear their pending marks, bound the hash.
-- KEYS: rows, index.  ARGV: ttl, most rows kept, then item and row of each pair.
-- Returns the number of rows stored. The caller then remakes the aggregate (pairs_aggregate.lua).
local rows, index = KEYS[1], KEYS[2]
local now = now_ms()
local expires = now + tonumber(ARGV[1])
if redis.call('EXISTS', index) == 0 then
  redis.call('DEL', rows)  -- the index was evicted alone: nothing would ever remove these rows
end
drop_expired_pairs(rows, index, now)
local num_stored = 0
for i = 3, #ARGV, 2 do
  local item, row = ARGV[i], ARGV[i + 1]
  redis.call('ZREM', index, '~' .. item)
  if rev_of(row) >= rev_of(redis.call('HGET', rows, item)) then
    redis.call('HSET', rows, item, stamped(row, now, expires))
    redis.call('ZADD', index, digits(expires), item)
    num_stored = num_stored + 1
  end
end
local num_rows = redis.call('HLEN', rows) - redis.call('HEXISTS', rows, '~') - redis.call('HEXISTS', rows, '~writes')
local excess = num_rows - tonumber(ARGV[2])
if excess > 0 then
  for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    if excess > 0 and string.byte(member, 1) ~= 126 then
      redis.call('HDEL', rows, member)
      redis.call('ZREM', index, member)
      excess = excess - 1
    end
  end
end
-- Names this state of the hash; from the time, so that it never repeats after the hash was evicted.
local writes = math.max(tonumber(redis.call('HGET', rows, '~writes') or '0') + 1, now_us())
redis.call('HSET', rows, '~writes', digits(writes))
live_until(rows, expires)
live_until(index, expires)
return num_stored
