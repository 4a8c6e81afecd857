-- Removes what ended, by a commit of its own; removals that were remembered long enough go in silence.
-- KEYS: meta, log, index, ends. ARGV: a fresh epoch, channel, now, commits of the log, what stands before a key in its
-- value's name, keys at most. Answers how many keys ended.
-- The values' names are made here: they have the partition's hash tag, as everything of it has.

local meta, log, index, ends = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local fresh, channel, now, keep, prefix, most = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local epoch, offset, lineage = stand(meta, log, fresh)
if not epoch then
  return REPLICA
end
local over = redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, most)
if #over == 0 then
  return 0
end
local names = {}
for i, key in ipairs(over) do
  names[i] = prefix .. key
end
local held = redis.call('MGET', unpack(names))
local gone, entry = {}, {''}
for i, key in ipairs(over) do
  if held[i] and #held[i] > HEADER then
    gone[#gone + 1] = key
    entry[#entry + 1] = 'g' .. key .. '\n'
  end
end
if #gone > 0 then
  append(meta, log, channel, keep, fresh, epoch, offset + 1, lineage, entry)
  redis.call('ZREM', index, unpack(gone))
end
redis.call('DEL', unpack(names))
redis.call('ZREM', ends, unpack(over))
return #over
