-- A page of what stands under a scope, in the order of keys. The index names what has a value, so that nothing looks
-- through the server's keys.
-- KEYS: meta, log, index. ARGV: a fresh epoch, where the page begins and the scope ends (lexicographic bounds), keys of
-- a page, what stands before a key in its value's name. Answers {epoch, offset, keys, values}.
-- The values' names are made here: they have the partition's hash tag, as everything of it has.

local epoch, offset = stand(KEYS[1], KEYS[2], ARGV[1])
if not epoch then
  return REPLICA
end
local keys = redis.call('ZRANGEBYLEX', KEYS[3], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])
local names, values = {}, {}
for i, key in ipairs(keys) do
  names[i] = ARGV[5] .. key
end
if #names > 0 then
  values = redis.call('MGET', unpack(names))
end
return {epoch, digits(offset), keys, values}
