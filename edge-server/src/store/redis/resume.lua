-- The log after a position, up to so many commits.
-- KEYS: meta, log. ARGV: a fresh epoch, the position's epoch and offset, commits at most, and '1' from a follower that
-- was told of every commit up to the position. Answers {epoch, offset, entries}; who asks sees by the numbers whether
-- they go on where it stands.

local meta, log = KEYS[1], KEYS[2]
local fresh, since_epoch, since, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local epoch, offset, lineage = stand(meta, log, fresh)
if not epoch then
  return REPLICA
end
if epoch == since_epoch and since > offset and ARGV[5] == '1' then
  -- What was announced is not there any more, and the lineage does not say so: a backup was put in its place.
  begin_epoch(meta, log, lineage, fresh, offset)
  epoch = fresh
end
if epoch ~= since_epoch or since >= offset then
  return {epoch, digits(offset), {}}
end
return {epoch, digits(offset), redis.call('XRANGE', log, digits(since + 1) .. '-0', '+', 'COUNT', most)}
