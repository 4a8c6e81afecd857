-- One commit: every write is compared with what is kept, and then values, log entry and announcement happen, or nothing.
-- KEYS: meta, log, index, ends, lane, then the value of each write.
-- ARGV: a fresh epoch, channel, now, commits of the log, producer or '', its fence and sequence (16 bytes), a kind for
--       each write (v pushed, c changed, g gone), what is purged or '', the length of a value's name before its key;
--       then for each write its stamp, which is its source's time (8 bytes) and its end (8), and its body, which is a hash
--       (16) and the content, or '' for a removal. Values are told apart by their hashes.
-- Answers {'done', 'epoch:offset:fates'} or {'fenced', the newest fence}.

local meta, log, index, ends, lane = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local fresh, channel, now, keep = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local producer, ticket, kinds, purge, before_key = ARGV[5], ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9])
local writes = #kinds

local epoch, offset, lineage = stand(meta, log, fresh)
if not epoch then
  return REPLICA
end

local seen
if producer == '' then
  seen = redis.call('GET', lane)
else
  seen = redis.call('HGET', meta, 'w:' .. producer)
end
if seen then
  if less(ticket, 1, seen, 1) then
    return {'fenced', sub(seen, 1, 8)}
  end
  if sub(ticket, 1, 8) == sub(seen, 1, 8) and not less(seen, 9, ticket, 9) then
    return {'done', sub(seen, 17)}
  end
end

local version = offset + 1
if version >= NUMBER_END then
  version = 1
end
local version_bytes = struct.pack('>I4I4', math.floor(version / 4294967296), version % 4294967296)

local names, held = {}, {}
if writes > 0 then
  for i = 1, writes do
    names[i] = KEYS[5 + i]
  end
  held = redis.call('MGET', unpack(names))
end

-- By name: what stands there after the writes so far, what stood there before the first, and which write changed it last.
local after, before, last_change, fates = {}, {}, {}, {}
for i = 1, writes do
  local name, stamp, body = names[i], ARGV[8 + 2 * i], ARGV[9 + 2 * i]
  local old = after[name]
  if old == nil then
    old = held[i]
    before[name] = old
    after[name] = old
  end
  if old and less(stamp, 1, old, 9) then
    fates[i] = 's'
  else
    local same, kept_version
    if body == '' then
      -- A value that ended and has not left yet was never told to be gone.
      same = not old or #old == HEADER
    else
      same = old and sub(old, 25, 40) == sub(body, 1, 16) and now < end_of(old)
      kept_version = same and sub(old, 1, 8)
    end
    -- The same value seen again is newer knowledge of it: its time and its end move, and nobody is woken.
    after[name] = (kept_version or version_bytes) .. stamp .. body
    if same then
      fates[i] = 'u'
    else
      fates[i] = 'c'
      last_change[name] = i
    end
  end
end

local entry = {''}
for i = 1, writes do
  local name = names[i]
  if last_change[name] == i then
    local kind, key = sub(kinds, i, i), sub(name, before_key + 1)
    entry[#entry + 1] = kind
    entry[#entry + 1] = key
    entry[#entry + 1] = '\n'
    if kind == 'v' then
      entry[#entry + 1] = ARGV[8 + 2 * i]
      entry[#entry + 1] = ARGV[9 + 2 * i]
    end
  end
end
if purge ~= '' then
  entry[#entry + 1] = purge
end
if #entry > 1 then
  epoch, offset = append(meta, log, channel, keep, fresh, epoch, offset + 1, lineage, entry)
end

local set, begun, ended, timed, untimed = {}, {}, {}, {}, {}
for name, now_there in pairs(after) do
  local was = before[name]
  if now_there and now_there ~= was then
    local key = sub(name, before_key + 1)
    set[#set + 1] = name
    set[#set + 1] = now_there
    local had, has = was and #was > HEADER, #now_there > HEADER
    if has and not had then
      begun[#begun + 1] = 0
      begun[#begun + 1] = key
    elseif had and not has then
      ended[#ended + 1] = key
    end
    local was_till, till = was and sub(was, 17, 24) or NEVER, sub(now_there, 17, 24)
    if till ~= was_till then
      if till == NEVER then
        untimed[#untimed + 1] = key
      else
        timed[#timed + 1] = end_of(now_there)
        timed[#timed + 1] = key
      end
    end
  end
end
if #set > 0 then
  redis.call('MSET', unpack(set))
end
if #begun > 0 then
  redis.call('ZADD', index, unpack(begun))
end
if #ended > 0 then
  redis.call('ZREM', index, unpack(ended))
end
if #timed > 0 then
  redis.call('ZADD', ends, unpack(timed))
end
if #untimed > 0 then
  redis.call('ZREM', ends, unpack(untimed))
end

local result = epoch .. ':' .. digits(offset) .. ':' .. table.concat(fates)
if producer == '' then
  redis.call('SET', lane, ticket .. result, 'PX', 600000)
else
  redis.call('HSET', meta, 'w:' .. producer, ticket .. result)
end
return {'done', result}
