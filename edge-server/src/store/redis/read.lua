-- Values, and the position that they were read at.
-- KEYS: meta, log, then the values. ARGV: a fresh epoch. Answers {epoch, offset, values}.

local epoch, offset = stand(KEYS[1], KEYS[2], ARGV[1])
if not epoch then
  return REPLICA
end
local values = {}
if #KEYS > 2 then
  values = redis.call('MGET', unpack(KEYS, 3))
end
return {epoch, digits(offset), values}
