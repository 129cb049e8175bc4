/* presence_ask.h: queries about presence (common/redis/presence_keys.h), as Lua scripts for EVAL. Each visits the
 * number of users that it is given, and for each the relays with an entry for them, usually one
 * (tests/unit/redis/test_script_costs.c). */
#ifndef CG_COMMON_REDIS_PRESENCE_ASK_H
#define CG_COMMON_REDIS_PRESENCE_ASK_H

/* Whether a live relay has an entry for the user; `who` is "<conversation>:<user>". */
#define PRESENCE_LUA \
    "local function is_there(who) " \
    "  for _, entry in ipairs(redis.call('SMEMBERS', ARGV[1] .. ':who:' .. who)) do " \
    "    if redis.call('EXISTS', ARGV[1] .. ':lease:' .. entry) == 1 then return 1 end " \
    "  end " \
    "  return 0 " \
    "end "

/* ARGV prefix who … → 1 or 0 for each */
#define PRESENCE_SCRIPT_ASK \
    PRESENCE_LUA \
    "local out = {} " \
    "for i = 2, #ARGV do out[#out + 1] = is_there(ARGV[i]) end " \
    "return out"

/* ARGV prefix conversation after limit: those after user `after`, which is "-" or "(" and 20 digits. → {user, 1 or 0, …}:
 * an entry of a relay that has just died is there until it is taken away. */
#define PRESENCE_SCRIPT_LIST \
    PRESENCE_LUA \
    "local out = {} " \
    "local page = redis.call('ZRANGEBYLEX', ARGV[1] .. ':here:' .. ARGV[2], ARGV[3], '+', 'LIMIT', 0, ARGV[4]) " \
    "for _, padded in ipairs(page) do " \
    "  out[#out + 1] = padded " \
    "  out[#out + 1] = is_there(ARGV[2] .. ':' .. string.gsub(padded, '^0+', '')) " \
    "end " \
    "return out"

#endif
