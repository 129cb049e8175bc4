/* io_scripts.h: every change of what common/io_keys.h names, and the questions that need more than one look, as Lua
 * that EVAL runs whole. Which rooms a socket is in only Redis knows, so the scripts make their keys themselves, from
 * the prefix in ARGV[1], and are given none as KEYS.
 *
 * A socket is its relay's: what another relay says of it does nothing. */
#ifndef CG_COMMON_IO_SCRIPTS_H
#define CG_COMMON_IO_SCRIPTS_H

#include "common/io_keys.h"

/* Parts of the scripts. key('room', nsp, name); rooms as JSON in records. cjson writes an empty table as an object. */
#define IO_LUA                                                                                     \
    "local call, P = redis.call, ARGV[1] .. ':io:' "                                               \
    "local function key(what, nsp, name) "                                                         \
    "  return P .. what .. ':' .. nsp .. (name and ' ' .. name or '') "                            \
    "end "                                                                                         \
    "local function list(json) return json and json ~= '' and cjson.decode(json) or {} end "       \
    "local function find(t, x) for i, y in ipairs(t) do if x == y then return i end end end "      \
    "local function enter(nsp, room, sid) "                                                        \
    "  call('SADD', key('room', nsp, room), sid) "                                                 \
    "  call('SADD', key('rooms', nsp), room) "                                                     \
    "end "                                                                                         \
    "local function exit(nsp, room, sid) "                                                         \
    "  call('SREM', key('room', nsp, room), sid) "                                                 \
    "  if call('EXISTS', key('room', nsp, room)) == 0 then call('SREM', key('rooms', nsp), room) end " \
    "end "                                                                                         \
    "local function free(nsp, name, sid) "                                                         \
    "  if name and name ~= '' and call('HGET', key('names', nsp), name) == sid then "              \
    "    call('HDEL', key('names', nsp), name) "                                                   \
    "  end "                                                                                       \
    "end "                                                                                         \
    "local function taken(nsp, name, sid) "                                                        \
    "  local holder = call('HGET', key('names', nsp), name) "                                      \
    "  return holder and holder ~= sid and call('SISMEMBER', key('all', nsp), holder) == 1 "       \
    "end "                                                                                         \
    "local function set(nsp, sid, pid, field, value) "                                             \
    "  call('HSET', key('sid', nsp, sid), field, value) "                                          \
    "  if pid and pid ~= '' and call('HGET', key('pid', nsp, pid), 'sid') == sid then "            \
    "    call('HSET', key('pid', nsp, pid), field, value) "                                        \
    "  end "                                                                                       \
    "end "

/* move(true, nsp, sid, room): it joins; false: it leaves. → 1: it did; 0: it was in it already, or not, or is in too
 * many. The socket must be there. */
#define IO_LUA_MOVE                                                                                \
    "local function move(join, nsp, sid, room) "                                                   \
    "  local r = call('HMGET', key('sid', nsp, sid), 'rooms', 'pid') "                             \
    "  local rooms = list(r[1]) "                                                                  \
    "  local at = find(rooms, room) "                                                              \
    "  if join then "                                                                              \
    "    if at or #rooms >= 64 then return 0 end "                                                 \
    "    rooms[#rooms + 1] = room "                                                                \
    "    enter(nsp, room, sid) "                                                                   \
    "  else "                                                                                      \
    "    if not at then return 0 end "                                                             \
    "    table.remove(rooms, at) "                                                                 \
    "    exit(nsp, room, sid) "                                                                    \
    "  end "                                                                                       \
    "  set(nsp, sid, r[2], 'rooms', #rooms == 0 and '[]' or cjson.encode(rooms)) "                 \
    "  return 1 "                                                                                  \
    "end "
_Static_assert(IO_ROOMS_PER_SOCKET == 64, "as IO_LUA_MOVE says");

/* drop(nsp, sid, keep_ms): everything but, if keep_ms > 0 and for so long, what the pid brings back. */
#define IO_LUA_DROP                                                                                \
    "local function drop(nsp, sid, keep_ms) "                                                      \
    "  local r = call('HMGET', key('sid', nsp, sid), 'entry', 'pid', 'rooms', 'name') "            \
    "  call('SREM', key('all', nsp), sid) "                                                        \
    "  for _, room in ipairs(list(r[3])) do exit(nsp, room, sid) end "                             \
    "  free(nsp, r[4], sid) "                                                                      \
    "  call('DEL', key('sid', nsp, sid)) "                                                         \
    "  if r[1] then call('SREM', P .. 'of:' .. r[1], nsp .. ' ' .. sid) end "                      \
    "  local pid = r[2] and r[2] ~= '' and key('pid', nsp, r[2]) "                                 \
    "  if not pid or call('HGET', pid, 'sid') ~= sid then return end "                             \
    "  if tonumber(keep_ms) > 0 then "                                                             \
    "    call('HSET', pid, 'entry', '') "                                                          \
    "    call('PEXPIRE', pid, keep_ms) "                                                           \
    "  else "                                                                                      \
    "    call('DEL', pid) "                                                                        \
    "  end "                                                                                       \
    "end "

/* register(nsp, sid, entry, pid, name, rooms as JSON, round): it is connected at that relay. */
#define IO_LUA_REGISTER                                                                            \
    "local function register(nsp, sid, entry, pid, name, json, round) "                            \
    "  local k, rooms = key('sid', nsp, sid), list(json) "                                         \
    "  local was = call('HMGET', k, 'entry', 'rooms', 'name') "                                    \
    "  for _, room in ipairs(list(was[2])) do "                                                    \
    "    if not find(rooms, room) then exit(nsp, room, sid) end "                                  \
    "  end "                                                                                       \
    "  if was[1] and was[1] ~= entry then call('SREM', P .. 'of:' .. was[1], nsp .. ' ' .. sid) end " \
    "  if was[3] ~= name then free(nsp, was[3], sid) end "                                         \
    "  call('SADD', key('all', nsp), sid) "                                                        \
    "  for _, room in ipairs(rooms) do enter(nsp, room, sid) end "                                 \
    "  if name ~= '' then call('HSET', key('names', nsp), name, sid) end "                         \
    "  call('HSET', k, 'entry', entry, 'pid', pid, 'rooms', json, 'name', name, 'round', round) "  \
    "  call('SADD', P .. 'of:' .. entry, nsp .. ' ' .. sid) "                                      \
    "  call('SADD', P .. 'relays', entry) "                                                        \
    "  if pid == '' then return end "                                                              \
    "  call('HSET', key('pid', nsp, pid), 'sid', sid, 'entry', entry, 'rooms', json, 'name', name) " \
    "  call('PERSIST', key('pid', nsp, pid)) "                                                     \
    "end "

/* ---- what a relay says of its sockets ---- */

/* ARGV prefix nsp sid entry pid name rooms round. → 0: it is another relay's. A name that another has meanwhile is
 * not taken from it. */
#define IO_SCRIPT_ADD                                                                              \
    IO_LUA IO_LUA_REGISTER                                                                         \
    "local _, nsp, sid, entry, pid, name, rooms, round = unpack(ARGV) "                            \
    "local owner = call('HGET', key('sid', nsp, sid), 'entry') "                                   \
    "if owner and owner ~= entry then return 0 end "                                               \
    "if name ~= '' and taken(nsp, name, sid) then name = '' end "                                  \
    "register(nsp, sid, entry, pid, name, rooms, round) "                                          \
    "return 1"

/* ARGV prefix nsp sid entry keep_ms. → 1: it was ours, and is gone */
#define IO_SCRIPT_DROP                                                                             \
    IO_LUA IO_LUA_DROP                                                                             \
    "local _, nsp, sid, entry, keep_ms = unpack(ARGV) "                                            \
    "if call('HGET', key('sid', nsp, sid), 'entry') ~= entry then return 0 end "                   \
    "drop(nsp, sid, keep_ms) "                                                                     \
    "return 1"

/* ARGV prefix nsp sid entry join|leave room. → 1: it did */
#define IO_SCRIPT_MOVE                                                                             \
    IO_LUA IO_LUA_MOVE                                                                             \
    "local _, nsp, sid, entry, what, room = unpack(ARGV) "                                         \
    "if call('HGET', key('sid', nsp, sid), 'entry') ~= entry then return 0 end "                   \
    "return move(what == 'join', nsp, sid, room)"

/* ARGV prefix nsp sid entry name. → 1: it has the name; 0: another has it; -1: Redis does not know the socket as
 * ours */
#define IO_SCRIPT_CLAIM                                                                            \
    IO_LUA                                                                                         \
    "local _, nsp, sid, entry, name = unpack(ARGV) "                                               \
    "local r = call('HMGET', key('sid', nsp, sid), 'entry', 'pid', 'name') "                       \
    "if r[1] ~= entry then return -1 end "                                                         \
    "if taken(nsp, name, sid) then return 0 end "                                                  \
    "if r[3] ~= name then free(nsp, r[3], sid) end "                                               \
    "call('HSET', key('names', nsp), name, sid) "                                                  \
    "set(nsp, sid, r[2], 'name', name) "                                                           \
    "return 1"

/* ARGV prefix nsp name. → the sid, or "" */
#define IO_SCRIPT_WHO                                                                              \
    IO_LUA                                                                                         \
    "local _, nsp, name = unpack(ARGV) "                                                           \
    "local sid = call('HGET', key('names', nsp), name) "                                           \
    "return sid and call('SISMEMBER', key('all', nsp), sid) == 1 and sid or ''"

/* From which number on a socket hears a room, for when it comes back: in the pid's hash, if that is there, so that it goes
 * with it. ARGV prefix nsp pid room seq [room seq…]; seq "": it left. */
#define IO_SCRIPT_SINCE                                                                            \
    IO_LUA                                                                                         \
    "local k = key('pid', ARGV[2], ARGV[3]) "                                                      \
    "if call('EXISTS', k) == 0 then return 0 end "                                                 \
    "for i = 4, #ARGV, 2 do "                                                                      \
    "  if ARGV[i + 1] == '' then call('HDEL', k, 'since ' .. ARGV[i]) "                            \
    "  else call('HSET', k, 'since ' .. ARGV[i], ARGV[i + 1]) end "                                \
    "end "                                                                                         \
    "return 1"

/* ARGV prefix nsp pid entry round. → {sid, name, room…}: it is this relay's now, whosever it was; {}: there is
 * none, or its name is another's */
#define IO_SCRIPT_RECOVER                                                                          \
    IO_LUA IO_LUA_REGISTER                                                                         \
    "local _, nsp, pid, entry, round = unpack(ARGV) "                                              \
    "local p = call('HMGET', key('pid', nsp, pid), 'sid', 'rooms', 'name') "                       \
    "local sid, rooms, name = p[1], p[2] or '[]', p[3] or '' "                                     \
    "if not sid or (name ~= '' and taken(nsp, name, sid)) then return {} end "                     \
    "register(nsp, sid, entry, pid, name, rooms, round) "                                          \
    "local out = {sid, name} "                                                                     \
    "for _, room in ipairs(list(rooms)) do out[#out + 1] = room end "                              \
    "return out"

/* ---- sockets that are there no more ---- */

/* After a relay has said all of its sockets again: ARGV prefix entry round keep_ms cursor; drops those that were not
 * among them. → {cursor, dropped}; cursor "0": that was all */
#define IO_SCRIPT_SWEEP                                                                            \
    IO_LUA IO_LUA_DROP                                                                             \
    "local _, entry, round, keep_ms, cursor = unpack(ARGV) "                                       \
    "local page, dropped = call('SSCAN', P .. 'of:' .. entry, cursor, 'COUNT', 500), 0 "           \
    "for _, one in ipairs(page[2]) do "                                                            \
    "  local nsp, sid = string.match(one, '^(.+) ([^ ]+)$') "                                    \
    "  if call('HGET', key('sid', nsp, sid), 'round') ~= round then "                              \
    "    drop(nsp, sid, keep_ms) "                                                                 \
    "    call('SREM', P .. 'of:' .. entry, one) "                                                  \
    "    dropped = dropped + 1 "                                                                   \
    "  end "                                                                                       \
    "end "                                                                                         \
    "return {page[1], dropped}"

/* ARGV prefix entry keep_ms limit: drops up to `limit` sockets of relays without a lease. → {whether others have
 * dropped ours, how many were dropped, whether there are more} */
#define IO_SCRIPT_REAP                                                                             \
    IO_LUA IO_LUA_DROP                                                                             \
    "local prefix, own, keep_ms, limit = unpack(ARGV) "                                            \
    "local dropped, more = 0, 0 "                                                                  \
    "for _, entry in ipairs(call('SMEMBERS', P .. 'relays')) do "                                  \
    "  if entry ~= own and call('EXISTS', prefix .. ':lease:' .. entry) == 0 then "                \
    "    local of = P .. 'of:' .. entry "                                                          \
    "    if dropped < tonumber(limit) then "                                                       \
    "      for _, one in ipairs(call('SPOP', of, limit - dropped)) do "                            \
    "        local nsp, sid = string.match(one, '^(.+) ([^ ]+)$') "                                 \
    "        if call('HGET', key('sid', nsp, sid), 'entry') == entry then drop(nsp, sid, keep_ms) end " \
    "        dropped = dropped + 1 "                                                               \
    "      end "                                                                                   \
    "      call('SET', P .. 'reaped:' .. entry, '1', 'EX', 3600) "                                 \
    "    end "                                                                                     \
    "    if call('EXISTS', of) == 1 then more = 1 else call('SREM', P .. 'relays', entry) end "    \
    "  end "                                                                                       \
    "end "                                                                                         \
    "return {call('DEL', P .. 'reaped:' .. own), dropped, more}"

/* ---- what the admin calls ask and do ---- */

/* ARGV prefix nsp kind name cursor limit: kind "all" (sids), "rooms" (names), or "room": the sids in the room `name`,
 * or `name` itself if it is a socket's. → {next cursor, text…}, sorted, at least `limit` if there are as many and
 * not many more; next cursor "0": that was all */
#define IO_SCRIPT_LIST                                                                             \
    IO_LUA                                                                                         \
    "local _, nsp, kind, name, cursor, limit = unpack(ARGV) "                                      \
    "if kind == 'room' and call('SISMEMBER', key('all', nsp), name) == 1 then return {'0', name} end " \
    "local k, out, seen = key(kind, nsp, kind == 'room' and name), {}, {} "                        \
    "repeat "                                                                                      \
    "  local page = call('SSCAN', k, cursor, 'COUNT', 1000) "                                      \
    "  cursor = page[1] "                                                                          \
    "  for _, one in ipairs(page[2]) do "                                                          \
    "    if not seen[one] then seen[one] = true; out[#out + 1] = one end "                         \
    "  end "                                                                                       \
    "until cursor == '0' or #out >= tonumber(limit) "                                              \
    "table.sort(out) "                                                                             \
    "table.insert(out, 1, cursor) "                                                                \
    "return out"

/* ARGV prefix nsp. → {sockets, rooms} */
#define IO_SCRIPT_COUNT                                                                            \
    IO_LUA                                                                                         \
    "local _, nsp = unpack(ARGV) "                                                                 \
    "return {call('SCARD', key('all', nsp)), call('SCARD', key('rooms', nsp))}"

/* A portion of the sockets that kind and name select as in IO_SCRIPT_LIST ("sid": the one socket `name`) join or leave
 * rooms or are dropped for good. ARGV prefix nsp kind name cursor count join|leave|drop rooms.
 * → {next cursor, sockets}; kind "sid" and no such socket: 0 of them */
#define IO_SCRIPT_CHANGE                                                                           \
    IO_LUA IO_LUA_MOVE IO_LUA_DROP                                                                 \
    "local _, nsp, kind, name, cursor, count, what, json = unpack(ARGV) "                          \
    "local page, rooms = {'0', {name}}, list(json) "                                               \
    "local known = call('SISMEMBER', key('all', nsp), name) == 1 "                                 \
    "if kind == 'sid' and not known then return {'0', 0} end "                                     \
    "if kind ~= 'sid' and not (kind == 'room' and known) then "                                    \
    "  page = call('SSCAN', key(kind, nsp, kind == 'room' and name), cursor, 'COUNT', count) "     \
    "end "                                                                                         \
    "for _, sid in ipairs(page[2]) do "                                                            \
    "  if what == 'drop' then drop(nsp, sid, 0) end "                                              \
    "  for _, room in ipairs(rooms) do move(what == 'join', nsp, sid, room) end "                  \
    "end "                                                                                         \
    "return {page[1], #page[2]}"

#endif
