/* io_scripts.h: every change of what common/redis/io_keys.h names, and the questions that need more than one look, as Lua
 * that EVAL runs whole. Which rooms a socket is in only Redis knows, so the scripts make their keys themselves, from
 * the prefix in ARGV[1], and are given none as KEYS.
 *
 * What a script does is bounded, however many sockets and rooms there are: MOVE, CLAIM and WHO make the same few calls
 * always; ADD, DROP and RECOVER a few for each room of the one socket (IO_ROOMS_PER_SOCKET at most); what goes through
 * sets goes through one page of IO_PAGE, or the number given (tests/unit/redis/test_script_costs.c).
 *
 * A socket is its relay's: what another relay says of it does nothing. */
#ifndef CG_COMMON_REDIS_IO_SCRIPTS_H
#define CG_COMMON_REDIS_IO_SCRIPTS_H

#include "common/redis/io_keys.h"

enum { IO_PAGE = 64, IO_LIST_PAGE = 1000 }; /* sockets that are dropped, names that are listed, by one script */

/* Parts of the scripts. key('room', nsp, name); a set of rooms that a relay gives is a JSON array. */
#define IO_LUA \
    "local call, P = redis.call, ARGV[1] .. ':io:' " \
    "local function key(what, nsp, name) " \
    "  return P .. what .. ':' .. nsp .. (name and ' ' .. name or '') " \
    "end " \
    "local function list(json) return json and json ~= '' and cjson.decode(json) or {} end " \
    "local function enter(nsp, room, sid) " \
    "  call('SADD', key('in', nsp, sid), room) " \
    "  call('SADD', key('room', nsp, room), sid) " \
    "  call('SADD', key('rooms', nsp), room) " \
    "end " \
    "local function exit(nsp, room, sid) " \
    "  call('SREM', key('room', nsp, room), sid) " \
    "  if call('EXISTS', key('room', nsp, room)) == 0 then call('SREM', key('rooms', nsp), room) end " \
    "end " \
    "local function free(nsp, name, sid) " \
    "  if name and name ~= '' and call('HGET', key('names', nsp), name) == sid then " \
    "    call('HDEL', key('names', nsp), name) " \
    "  end " \
    "end " \
    "local function taken(nsp, name, sid) " \
    "  local holder = call('HGET', key('names', nsp), name) " \
    "  return holder and holder ~= sid and call('SISMEMBER', key('all', nsp), holder) == 1 " \
    "end "

/* move(true, nsp, sid, room, most): it joins; false: it leaves. → 1: it did; 0: it was in it already, or not, or is in
 * `most` rooms. The socket must be there. */
#define IO_LUA_MOVE \
    "local function move(join, nsp, sid, room, most) " \
    "  local mine = key('in', nsp, sid) " \
    "  if join then " \
    "    if call('SISMEMBER', mine, room) == 1 or call('SCARD', mine) >= tonumber(most) then return 0 end " \
    "    enter(nsp, room, sid) " \
    "  else " \
    "    if call('SREM', mine, room) == 0 then return 0 end " \
    "    exit(nsp, room, sid) " \
    "  end " \
    "  return 1 " \
    "end "

/* drop(nsp, sid, keep_ms): everything but, if keep_ms > 0 and for so long, what the pid brings back. */
#define IO_LUA_DROP \
    "local function drop(nsp, sid, keep_ms) " \
    "  local r, mine = call('HMGET', key('sid', nsp, sid), 'entry', 'pid', 'name'), key('in', nsp, sid) " \
    "  call('SREM', key('all', nsp), sid) " \
    "  for _, room in ipairs(call('SMEMBERS', mine)) do exit(nsp, room, sid) end " \
    "  free(nsp, r[3], sid) " \
    "  call('DEL', key('sid', nsp, sid)) " \
    "  if r[1] then call('SREM', P .. 'of:' .. r[1], nsp .. ' ' .. sid) end " \
    "  local pid = r[2] and r[2] ~= '' and key('pid', nsp, r[2]) " \
    "  if not pid or call('HGET', pid, 'sid') ~= sid then call('DEL', mine) return end " \
    "  local back = key('back', nsp, r[2]) " \
    "  if tonumber(keep_ms) > 0 then " \
    "    call('HSET', pid, 'entry', '') " \
    "    call('PEXPIRE', pid, keep_ms) " \
    "    if call('EXISTS', mine) == 1 then " \
    "      call('RENAME', mine, back) " \
    "      call('PEXPIRE', back, keep_ms) " \
    "    end " \
    "  else " \
    "    call('DEL', pid, back, mine) " \
    "  end " \
    "end "

/* register(nsp, sid, entry, pid, name, rooms, round): it is connected at that relay, in exactly these rooms. */
#define IO_LUA_REGISTER \
    "local function register(nsp, sid, entry, pid, name, rooms, round) " \
    "  local k, mine, wanted = key('sid', nsp, sid), key('in', nsp, sid), {} " \
    "  local was = call('HMGET', k, 'entry', 'name') " \
    "  for _, room in ipairs(rooms) do wanted[room] = true end " \
    "  for _, room in ipairs(call('SMEMBERS', mine)) do " \
    "    if not wanted[room] then call('SREM', mine, room) exit(nsp, room, sid) end " \
    "  end " \
    "  if was[1] and was[1] ~= entry then call('SREM', P .. 'of:' .. was[1], nsp .. ' ' .. sid) end " \
    "  if was[2] ~= name then free(nsp, was[2], sid) end " \
    "  call('SADD', key('all', nsp), sid) " \
    "  for _, room in ipairs(rooms) do enter(nsp, room, sid) end " \
    "  if name ~= '' then call('HSET', key('names', nsp), name, sid) end " \
    "  call('HSET', k, 'entry', entry, 'pid', pid, 'name', name, 'round', round) " \
    "  call('SADD', P .. 'of:' .. entry, nsp .. ' ' .. sid) " \
    "  call('SADD', P .. 'relays', entry) " \
    "  if pid == '' then return end " \
    "  call('HSET', key('pid', nsp, pid), 'sid', sid, 'entry', entry, 'name', name) " \
    "  call('PERSIST', key('pid', nsp, pid)) " \
    "  call('DEL', key('back', nsp, pid)) " \
    "end "

/* ---- what a relay says of its sockets ---- */

/* ARGV prefix nsp sid entry pid name rooms round. → 0: it is another relay's. A name that another has meanwhile is
 * not taken from it. */
#define IO_SCRIPT_ADD \
    IO_LUA IO_LUA_REGISTER "local _, nsp, sid, entry, pid, name, rooms, round = unpack(ARGV) " \
                           "local owner = call('HGET', key('sid', nsp, sid), 'entry') " \
                           "if owner and owner ~= entry then return 0 end " \
                           "if name ~= '' and taken(nsp, name, sid) then name = '' end " \
                           "register(nsp, sid, entry, pid, name, list(rooms), round) " \
                           "return 1"

/* ARGV prefix nsp sid entry keep_ms. → 1: it was ours, and is gone */
#define IO_SCRIPT_DROP \
    IO_LUA IO_LUA_DROP "local _, nsp, sid, entry, keep_ms = unpack(ARGV) " \
                       "if call('HGET', key('sid', nsp, sid), 'entry') ~= entry then return 0 end " \
                       "drop(nsp, sid, keep_ms) " \
                       "return 1"

/* ARGV prefix nsp sid entry join|leave room most. → 1: it did */
#define IO_SCRIPT_MOVE \
    IO_LUA IO_LUA_MOVE "local _, nsp, sid, entry, what, room, most = unpack(ARGV) " \
                       "if call('HGET', key('sid', nsp, sid), 'entry') ~= entry then return 0 end " \
                       "return move(what == 'join', nsp, sid, room, most)"

/* ARGV prefix nsp sid entry name. → 1: it has the name; 0: another has it; -1: Redis does not know the socket as
 * ours */
#define IO_SCRIPT_CLAIM \
    IO_LUA \
    "local _, nsp, sid, entry, name = unpack(ARGV) " \
    "local r = call('HMGET', key('sid', nsp, sid), 'entry', 'pid', 'name') " \
    "if r[1] ~= entry then return -1 end " \
    "if taken(nsp, name, sid) then return 0 end " \
    "if r[3] ~= name then free(nsp, r[3], sid) end " \
    "call('HSET', key('names', nsp), name, sid) " \
    "call('HSET', key('sid', nsp, sid), 'name', name) " \
    "if r[2] ~= '' and call('HGET', key('pid', nsp, r[2]), 'sid') == sid then " \
    "  call('HSET', key('pid', nsp, r[2]), 'name', name) " \
    "end " \
    "return 1"

/* ARGV prefix nsp name. → the sid, or "" */
#define IO_SCRIPT_WHO \
    IO_LUA \
    "local _, nsp, name = unpack(ARGV) " \
    "local sid = call('HGET', key('names', nsp), name) " \
    "return sid and call('SISMEMBER', key('all', nsp), sid) == 1 and sid or ''"

/* From which number on a socket hears a room, for when it comes back: in the pid's hash, if that is there, so that it goes
 * with it. ARGV prefix nsp pid room seq [room seq…]; seq "": it left. */
#define IO_SCRIPT_SINCE \
    IO_LUA \
    "local k = key('pid', ARGV[2], ARGV[3]) " \
    "if call('EXISTS', k) == 0 then return 0 end " \
    "for i = 4, #ARGV, 2 do " \
    "  if ARGV[i + 1] == '' then call('HDEL', k, 'since ' .. ARGV[i]) " \
    "  else call('HSET', k, 'since ' .. ARGV[i], ARGV[i + 1]) end " \
    "end " \
    "return 1"

/* ARGV prefix nsp pid entry round. → {sid, name, room…}: it is this relay's now, whosever it was; {}: there is
 * none, or its name is another's */
#define IO_SCRIPT_RECOVER \
    IO_LUA IO_LUA_REGISTER \
        "local _, nsp, pid, entry, round = unpack(ARGV) " \
        "local p = call('HMGET', key('pid', nsp, pid), 'sid', 'entry', 'name') " \
        "local sid, name = p[1], p[3] or '' " \
        "if not sid or (name ~= '' and taken(nsp, name, sid)) then return {} end " \
        "local rooms = call('SMEMBERS', p[2] == '' and key('back', nsp, pid) or key('in', nsp, sid)) " \
        "register(nsp, sid, entry, pid, name, rooms, round) " \
        "local out = {sid, name} " \
        "for _, room in ipairs(rooms) do out[#out + 1] = room end " \
        "return out"

/* ---- sockets that are there no more ---- */

/* After a relay has said all of its sockets again: ARGV prefix entry round keep_ms cursor count; drops those that were
 * not among them, of a page of about `count`. → {cursor, dropped}; cursor "0": that was all */
#define IO_SCRIPT_SWEEP \
    IO_LUA IO_LUA_DROP "local _, entry, round, keep_ms, cursor, count = unpack(ARGV) " \
                       "local page, dropped = call('SSCAN', P .. 'of:' .. entry, cursor, 'COUNT', count), 0 " \
                       "for _, one in ipairs(page[2]) do " \
                       "  local nsp, sid = string.match(one, '^(.+) ([^ ]+)$') " \
                       "  if call('HGET', key('sid', nsp, sid), 'round') ~= round then " \
                       "    drop(nsp, sid, keep_ms) " \
                       "    call('SREM', P .. 'of:' .. entry, one) " \
                       "    dropped = dropped + 1 " \
                       "  end " \
                       "end " \
                       "return {page[1], dropped}"

/* ARGV prefix entry keep_ms limit: drops up to `limit` sockets of relays without a lease. → {whether others have
 * dropped ours, how many were dropped, whether there are more} */
#define IO_SCRIPT_REAP \
    IO_LUA IO_LUA_DROP \
        "local prefix, own, keep_ms, limit = unpack(ARGV) " \
        "local dropped, more = 0, 0 " \
        "for _, entry in ipairs(call('SMEMBERS', P .. 'relays')) do " \
        "  if entry ~= own and call('EXISTS', prefix .. ':lease:' .. entry) == 0 then " \
        "    local of = P .. 'of:' .. entry " \
        "    if dropped < tonumber(limit) then " \
        "      for _, one in ipairs(call('SPOP', of, limit - dropped)) do " \
        "        local nsp, sid = string.match(one, '^(.+) ([^ ]+)$') " \
        "        if call('HGET', key('sid', nsp, sid), 'entry') == entry then drop(nsp, sid, keep_ms) end " \
        "        dropped = dropped + 1 " \
        "      end " \
        "      call('SET', P .. 'reaped:' .. entry, '1', 'EX', 3600) " \
        "    end " \
        "    if call('EXISTS', of) == 1 then more = 1 else call('SREM', P .. 'relays', entry) end " \
        "  end " \
        "end " \
        "return {call('DEL', P .. 'reaped:' .. own), dropped, more}"

/* ---- what the admin calls ask and do ---- */

/* ARGV prefix nsp kind name cursor count: a page of about `count` (IO_LIST_PAGE at most) of kind "all" (sids), "rooms"
 * (names), or "room": the sids in the room `name`, or `name` itself if it is a socket's. → {next cursor, text…}, some
 * perhaps in several pages; next cursor "0": that was all */
#define IO_SCRIPT_LIST \
    IO_LUA \
    "local _, nsp, kind, name, cursor, count = unpack(ARGV) " \
    "if kind == 'room' and call('SISMEMBER', key('all', nsp), name) == 1 then return {'0', name} end " \
    "local page = call('SSCAN', key(kind, nsp, kind == 'room' and name), cursor, 'COUNT', count) " \
    "local out = page[2] " \
    "table.insert(out, 1, page[1]) " \
    "return out"

/* ARGV prefix nsp. → {sockets, rooms} */
#define IO_SCRIPT_COUNT \
    IO_LUA \
    "local _, nsp = unpack(ARGV) " \
    "return {call('SCARD', key('all', nsp)), call('SCARD', key('rooms', nsp))}"

/* A portion of the sockets that kind and name select as in IO_SCRIPT_LIST ("sid": the one socket `name`) join or leave
 * rooms or are dropped for good. ARGV prefix nsp kind name cursor count join|leave|drop rooms most.
 * → {next cursor, sockets}; kind "sid" and no such socket: 0 of them */
#define IO_SCRIPT_CHANGE \
    IO_LUA IO_LUA_MOVE IO_LUA_DROP \
        "local _, nsp, kind, name, cursor, count, what, json, most = unpack(ARGV) " \
        "local page, rooms = {'0', {name}}, list(json) " \
        "local known = call('SISMEMBER', key('all', nsp), name) == 1 " \
        "if kind == 'sid' and not known then return {'0', 0} end " \
        "if kind ~= 'sid' and not (kind == 'room' and known) then " \
        "  page = call('SSCAN', key(kind, nsp, kind == 'room' and name), cursor, 'COUNT', count) " \
        "end " \
        "for _, sid in ipairs(page[2]) do " \
        "  if what == 'drop' then drop(nsp, sid, 0) end " \
        "  for _, room in ipairs(rooms) do move(what == 'join', nsp, sid, room, most) end " \
        "end " \
        "return {page[1], #page[2]}"

#endif
