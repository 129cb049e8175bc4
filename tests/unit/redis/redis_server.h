/* redis_server.h: a Redis of the test's own, on a Unix socket in a directory of its own, for what only a Redis can
 * tell: whether scripts do what they should. A test includes this once. */
#ifndef CG_TESTS_REDIS_SERVER_H
#define CG_TESTS_REDIS_SERVER_H

#include "tests/unit/check.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[] = "/tmp/chaguan-redis-XXXXXX";
static pid_t server;
static redisContext *redis;

/* Starts one on a Unix socket and waits for its line that says it is ready, whose end differs by version. */
static int start_redis(void **state)
{
    (void)state;
    int out[2];
    assert_non_null(mkdtemp(directory));
    assert_int_equal(pipe(out), 0);
    server = fork();
    if (!server) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], 1);
        close(out[0]);
        if (chdir(directory))
            _exit(1);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", "redis.sock", "--save", "", NULL);
        _exit(1);
    }
    close(out[1]);
    char line[512] = "";
    FILE *said = fdopen(out[0], "r");
    while (fgets(line, sizeof line, said) && !strstr(line, "accept connections"))
        ;
    assert_non_null(strstr(line, "accept connections")); /* else there is no redis-server */
    char path[128];
    snprintf(path, sizeof path, "%s/redis.sock", directory);
    redis = redisConnectUnix(path);
    assert_true(redis && !redis->err);
    fclose(said);
    return 0;
}

static int stop_redis(void **state)
{
    (void)state;
    char path[128];
    redisFree(redis);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    snprintf(path, sizeof path, "%s/redis.sock", directory);
    unlink(path);
    rmdir(directory);
    return 0;
}

enum { COMMAND_ARGS = 16 };

/* An error is a failure of the test. */
static redisReply *command(const struct str *args, size_t count)
{
    const char *texts[COMMAND_ARGS];
    size_t lengths[COMMAND_ARGS];
    assert_true(count <= COMMAND_ARGS);
    for (size_t i = 0; i < count; i++) {
        texts[i] = args[i].ptr ? args[i].ptr : "";
        lengths[i] = args[i].len;
    }
    redisReply *reply = redisCommandArgv(redis, (int)count, texts, lengths);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s", reply->str);
    return reply;
}

/* The answer to a command in words, sorted if it is a set's; "-" for none. */
static const char *ask(const char *format, ...)
{
    static char out[4096];
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(redis, format, args);
    va_end(args);
    assert_non_null(reply);
    *out = '\0';
    if (reply->type == REDIS_REPLY_INTEGER)
        snprintf(out, sizeof out, "%lld", reply->integer);
    else if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
        snprintf(out, sizeof out, "%s", reply->str);
    else if (reply->type == REDIS_REPLY_ARRAY)
        for (size_t i = 0; i < reply->elements; i++)
            snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s", i ? " " : "", reply->element[i]->str);
    else
        snprintf(out, sizeof out, "-");
    freeReplyObject(reply);
    return out;
}

#define assert_ask(want, ...) assert_string_equal(ask(__VA_ARGS__), want)

/* Nothing at all is left but leases and what a pid brings back. */
static inline void check_empty(void)
{
    static const char script[] = "local n = 0 for _, k in ipairs(redis.call('KEYS', 't:io:*')) do "
                                 "if not string.find(k, '^t:io:pid:') and not string.find(k, '^t:io:back:') and not "
                                 "string.find(k, '^t:io:reaped:') and "
                                 "k ~= 't:io:relays' then n = n + 1 end end return n";
    assert_ask("0", "EVAL %s 0", script);
}

#endif
