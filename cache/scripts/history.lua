-- Insert events into one user's history, trim to the newest L, raise rev; return the history if wanted.
-- KEYS: history, events, rev.  ARGV: L, want (0 or 1), then id, time, offset, payload of each event in log order.
-- Returns {rev, number of events that changed it, payloads oldest first or false, event time of the newest}.
local length = tonumber(ARGV[1])
local rev = tonumber(redis.call('GET', KEYS[3]) or '0')
local count = redis.call('ZCARD', KEYS[1])
local num_new = 0
local smallest = nil

local function pop()
  local popped = redis.call('ZPOPMIN', KEYS[1])[1]
  redis.call('HDEL', KEYS[2], popped)
  smallest = nil
  return popped
end

while count > length do  -- L was lowered since
  pop()
  count = count - 1
end

for i = 3, #ARGV, 4 do
  local id, time = ARGV[i], tonumber(ARGV[i + 1])
  local full = count >= length
  if full and not smallest then
    smallest = tonumber(redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2])
  end
  if not (full and time < smallest) and redis.call('HSETNX', KEYS[2], id, ARGV[i + 3]) == 1 then
    redis.call('ZADD', KEYS[1], ARGV[i + 1], id)
    local left_at_once = false
    if full then
      left_at_once = pop() == id  -- equal times: the set orders ids by bytes, Lua would by locale
    else
      count = count + 1
    end
    if not left_at_once then
      num_new = num_new + 1
      rev = math.max(rev, tonumber(ARGV[i + 2]) + 1)
    end
  end
end

if num_new > 0 then
  redis.call('SET', KEYS[3], digits(rev))
end
if ARGV[2] ~= '1' then
  return {rev, num_new}
end
local ids = redis.call('ZRANGE', KEYS[1], 0, -1)
if #ids == 0 then
  return {rev, num_new, {}, 0}
end
local newest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
return {rev, num_new, redis.call('HMGET', KEYS[2], unpack(ids)), tonumber(newest[2])}
