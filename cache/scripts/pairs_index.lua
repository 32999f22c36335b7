-- What is fresh and what is pending of one user's pairs.
-- KEYS: rows, index.
-- Returns {1 if there are rows at all, {member, expiry in ms, ...}}.
local members = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. digits(now_ms()), '+inf', 'WITHSCORES')
return {redis.call('EXISTS', KEYS[1]), members}
