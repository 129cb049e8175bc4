/* main.c: chaguan-rest, the FastCGI process that answers HTTP calls. Builds things, waits for
 * signals, takes them down again. */
#include "common/log.h"
#include "common/password.h"
#include "common/redis/redis_sync.h"
#include "common/service/program.h"
#include "common/token.h"
#include "rest/calls/io.h"
#include "rest/router.h"
#include "rest/routes.h"
#include "rest/server.h"

#include <signal.h>
#include <stdio.h>

static const char about[] =
    "Answers HTTP calls that nginx passes on by FastCGI, on a Unix socket. Ends cleanly on\n"
    "SIGTERM and SIGINT (requests that have begun are answered), opens its log and reads the\n"
    "application's keys again on SIGHUP.\n"
    "It waits for a database and a Redis that are not there yet. Exit status: 0 ended cleanly;\n"
    "1 the socket or the database's tables cannot be used; 2 bad command line or setting.\n\n"
    "It answers (what begins with /mysql/ also under /api/):\n";

static int refuse(const struct settings *settings, const char *why)
{
    return program_refuse(settings, "chaguan-rest", why);
}

/* A call that waits for a password holds its thread. At most half of the threads may wait so, for other calls to go
 * on. */
static unsigned waiting_for_passwords(const struct settings *settings)
{
    int64_t most = settings->rest_threads / 2;
    return (unsigned)(settings->password_waiting < most ? settings->password_waiting : most ? most : 1);
}

struct renewal {
    struct settings *settings;
    struct token_keys *tokens;
};

static void on_hang_up(void *arg)
{
    const struct renewal *renewal = arg;
    program_renew(renewal->settings);
    token_keys_reload(renewal->tokens);
}

/* From the start to the end; frees nothing of the caller's. Returns the exit status. */
static int serve(struct settings *settings, struct token_keys *tokens, struct redis_shared *redis)
{
    sigset_t signals;
    char why[256] = "";
    program_block_signals(&signals);
    if (password_start((unsigned)settings->password_threads, waiting_for_passwords(settings))) {
        snprintf(why, sizeof why, "cannot start threads for passwords");
        return refuse(settings, why);
    }
    struct server *server = server_start(settings, tokens, redis, why);
    if (!server) {
        password_stop();
        return refuse(settings, why);
    }
    if (program_ready(settings)) {
        server_stop(server);
        password_stop();
        snprintf(why, sizeof why, "cannot write %.200s", settings->pid_file);
        return refuse(settings, why);
    }
    log_info("ready", "version=%s socket=%s threads=%lld", CHAGUAN_VERSION, settings->rest_socket,
             (long long)settings->rest_threads);
    struct renewal renewal = {settings, tokens};
    program_wait(&signals, on_hang_up, &renewal);
    server_stop(server);
    password_stop();
    log_info("end", "status=0");
    program_end(settings);
    return 0;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct token_keys tokens;
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_add_text(&text, about);
    router_init(routes);
    router_describe(&text);
    text.data[text.len - 1] = '\0'; /* the last line's end comes with the options */
    struct program_info info = {"chaguan-rest", PROGRAM_REST, "[options]", text.data, NULL, io_token_check, false};
    program_start(&info, argc, argv, &settings, "chaguan-rest");
    buf_fini(&text);
    char why[256] = "";
    int status = program_wait_for_servers(&info, &settings);
    if (status >= 0) {
        settings_fini(&settings);
        return status;
    }
    enum err err = token_keys_load(&settings, &tokens, why);
    struct redis_shared *redis = redis_shared_new(&settings);
    status = err ? refuse(&settings, why) : serve(&settings, &tokens, redis);
    redis_shared_free(redis);
    token_keys_fini(&tokens);
    settings_fini(&settings);
    return status;
}
