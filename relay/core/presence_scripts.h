/* presence_scripts.h: presence's atomic operations in Redis, as Lua scripts for EVAL. Their cost does not grow with the
 * number of users or rooms: FIND_DEAD and HAND_ON visit each relay, REAP one page of a room
 * (tests/unit/redis/test_script_costs.c). */
#ifndef CG_RELAY_CORE_PRESENCE_SCRIPTS_H
#define CG_RELAY_CORE_PRESENCE_SCRIPTS_H

/* KEYS presence who rooms admit; ARGV field value entry conversation here user. → 1: nobody held an entry. `here` is
 * empty for a conversation that is never listed. */
#define SCRIPT_ENTER \
    "local first = redis.call('SCARD', KEYS[2]) == 0 " \
    "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) " \
    "redis.call('SADD', KEYS[2], ARGV[3]) " \
    "redis.call('SADD', KEYS[3], ARGV[4]) " \
    "if ARGV[5] ~= '' then redis.call('ZADD', ARGV[5], 0, ARGV[6]) end " \
    "redis.call('DEL', KEYS[4]) " \
    "return first and 1 or 0"

/* KEYS presence who rooms; ARGV field entry conversation nobody-left-here here user. → 1: ours was the last entry */
#define SCRIPT_LEAVE \
    "redis.call('HDEL', KEYS[1], ARGV[1]) " \
    "if ARGV[4] == '1' then redis.call('SREM', KEYS[3], ARGV[3]) end " \
    "local ours = redis.call('SREM', KEYS[2], ARGV[2]) " \
    "if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end " \
    "if ARGV[5] ~= '' then redis.call('ZREM', ARGV[5], ARGV[6]) end " \
    "return ours"

/* KEYS lease relays reaped; ARGV lease_ms entry. → {had a lease, was reaped} */
#define SCRIPT_RENEW \
    "local had = redis.call('EXISTS', KEYS[1]) " \
    "redis.call('SET', KEYS[1], '1', 'PX', ARGV[1]) " \
    "redis.call('SADD', KEYS[2], ARGV[2]) " \
    "return {had, redis.call('DEL', KEYS[3])}"

/* KEYS relays; ARGV prefix own-entry also-draining limit. → {entry, conversation, …} of relays without
 * a lease, at most `limit` rooms of each; relays that have none left are forgotten. */
#define SCRIPT_FIND_DEAD \
    "local out = {} " \
    "for _, entry in ipairs(redis.call('SMEMBERS', KEYS[1])) do " \
    "  local lease = redis.call('GET', ARGV[1] .. ':lease:' .. entry) " \
    "  if entry ~= ARGV[2] and (not lease or (ARGV[3] == '1' and lease ~= '1')) then " \
    "    local rooms = redis.call('SRANDMEMBER', ARGV[1] .. ':rooms:' .. entry, ARGV[4]) " \
    "    if #rooms == 0 then redis.call('SREM', KEYS[1], entry) end " \
    "    for _, room in ipairs(rooms) do out[#out + 1] = entry; out[#out + 1] = room end " \
    "  end " \
    "end " \
    "return out"

/* KEYS presence rooms lease reaped; ARGV entry conversation who-prefix also-draining cursor count here: one page of
 * the room's entries. → {next cursor, user, value, …} of those whose last entry this was; "0": that was the last page;
 * {}: it lives */
#define SCRIPT_REAP \
    "local lease = redis.call('GET', KEYS[3]) " \
    "if lease and not (ARGV[4] == '1' and lease ~= '1') then return {} end " \
    "local page = redis.call('HSCAN', KEYS[1], ARGV[5], 'COUNT', ARGV[6]) " \
    "local gone, mine, all = {page[1]}, ARGV[1] .. ':', page[2] " \
    "for i = 1, #all, 2 do " \
    "  if string.sub(all[i], 1, #mine) == mine and redis.call('HDEL', KEYS[1], all[i]) == 1 then " \
    "    local user = string.sub(all[i], #mine + 1) " \
    "    redis.call('SREM', ARGV[3] .. user, ARGV[1]) " \
    "    if redis.call('EXISTS', ARGV[3] .. user) == 0 then " \
    "      if ARGV[7] ~= '' then " \
    "        redis.call('ZREM', ARGV[7], string.rep('0', 20 - #user) .. user) " \
    "      end " \
    "      gone[#gone + 1] = user; gone[#gone + 1] = all[i + 1] " \
    "    end " \
    "  end " \
    "end " \
    "if page[1] == '0' then redis.call('SREM', KEYS[2], ARGV[2]) end " \
    "redis.call('SET', KEYS[4], '1', 'EX', 3600) " \
    "return gone"

/* KEYS relays lease; ARGV prefix own-entry grace_ms. → how many other relays live; if any, our lease
 * becomes a short one that says we are ending */
#define SCRIPT_HAND_ON \
    "local others = 0 " \
    "for _, entry in ipairs(redis.call('SMEMBERS', KEYS[1])) do " \
    "  if entry ~= ARGV[2] and redis.call('GET', ARGV[1] .. ':lease:' .. entry) == '1' then " \
    "    others = others + 1 " \
    "  end " \
    "end " \
    "if others > 0 then redis.call('SET', KEYS[2], 'draining', 'PX', ARGV[3]) end " \
    "return others"

#endif
