-- Before every script. An epoch belongs to one history of the server's data, and `master_replid` names that history: it
-- is another one after a promotion and after a restart, which are what may lose commits. Looking at it here, in the same
-- step as the commit or the read, leaves no moment in which the history has changed and the epoch has not. It is another
-- one too when the first replica attaches, and an hour after the last one left: then followers begin anew without need.

local NUMBER_END = 9007199254740992
local HEADER = 24
local NEVER = '\255\255\255\255\255\255\255\255'
local REPLICA = redis.error_reply('READONLY this server is a replica')
local sub, unpack_bytes = string.sub, struct.unpack

-- Lua writes numbers with 14 digits by itself.
local function digits(number)
  return string.format('%.0f', number)
end

local function begin_epoch(meta, log, lineage, epoch, offset)
  redis.call('DEL', log)
  redis.call('HSET', meta, 'e', epoch, 's', digits(offset), 'l', lineage)
end

-- The epoch (text), the offset (number) and the lineage, or nothing on a replica. `fresh` is the epoch that begins where
-- another one ends. The offset goes on, so that no version is ahead of it.
local function stand(meta, log, fresh)
  local said = redis.call('INFO', 'replication')
  if not string.find(said, 'role:master', 1, true) then
    return nil
  end
  local lineage = string.match(said, 'master_replid:(%x+)')
  local kept = redis.call('HMGET', meta, 'e', 's', 'l')
  local epoch, offset = kept[1], kept[2]
  if epoch and offset and kept[3] == lineage then
    return epoch, tonumber(offset), lineage
  end
  offset = tonumber(offset or '0')
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  if last then
    offset = math.max(offset, tonumber(string.match(last[1], '^%d+')))
  end
  begin_epoch(meta, log, lineage, fresh, offset)
  return fresh, offset, lineage
end

-- Appends a commit to the log and announces it; where it stands. The number space has an end: there another epoch
-- begins. The entry's first piece is made here, so that its bytes are put together once.
local function append(meta, log, channel, keep, fresh, epoch, version, lineage, pieces)
  if version >= NUMBER_END then
    epoch, version = fresh, 1
    begin_epoch(meta, log, lineage, epoch, 0)
  end
  pieces[1] = epoch .. ':' .. digits(version) .. ':'
  local entry = table.concat(pieces)
  redis.call('XADD', log, 'MAXLEN', '~', keep, digits(version) .. '-0', 'e', entry)
  redis.call('HSET', meta, 's', digits(version))
  redis.call('PUBLISH', channel, entry)
  return epoch, version
end

-- Whether the eight bytes at `at` of `a` are a smaller number than those at `by` of `b`. As doubles they would not all
-- differ, and as strings they are compared by the server's locale.
local function less(a, at, b, by)
  local high, low = unpack_bytes('>I4I4', a, at)
  local other_high, other_low = unpack_bytes('>I4I4', b, by)
  return high < other_high or (high == other_high and low < other_low)
end

-- When a stored value ends, in milliseconds since 1970; far away for one without an end.
local function end_of(stored)
  local high, low = unpack_bytes('>I4I4', stored, 17)
  return high * 4294967296 + low
end
