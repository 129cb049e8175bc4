#include "bench/load/options.h"

#include "bench/load/bytes.h"
#include "bench/load/stamp.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "bench-load --protocol P --to PORT[,PORT...] [--http PORT] [--pids GROUP=PID[,PID...]]...\n"
    "           [--clients N] [--rooms N] [--rate N | --window N] [--seconds S] [--warmup S] [--bytes B]\n"
    "           [--herd] [--label TEXT]\n"
    "\n"
    "Makes clients of a chat server on this machine, lets them talk, checks every message that comes, and prints one\n"
    "line of JSON. Exit status 0: nothing was lost, repeated or out of order; 1: something was; 2: it could not run.\n"
    "\n"
    "  --protocol P   chatroom, bare, nchan, socketio, socketio-polling, native, friends, customer, space, events,\n"
    "                 stream, poll, rest-getRoomInfo, rest-createChatroom\n"
    "  --to PORTS     where the clients connect; each room's members are spread over all of them\n"
    "  --http PORT    where rooms and users are made over REST, for those protocols that need it\n"
    "  --pids G=PIDS  processes whose CPU time and memory are reported as group G\n"
    "  --clients N    (500) all together; rest-*: connections that are kept alive\n"
    "  --rooms N      (1) client i is in room i modulo N; the first N clients speak, one in each room\n"
    "  --rate N       open loop: messages a second in all; latency counts from when a message was due\n"
    "  --window N     closed loop: messages of each room that are always on their way to their speaker\n"
    "                 neither: clients connect and sit idle\n"
    "  --seconds S    (10) measured, after --warmup S (0) in which it runs unmeasured\n"
    "  --bytes B      (80) length of a message's content\n"
    "  --herd         all but the speakers are cut, something is said, all come back at once\n"
    "  --label TEXT   (bench) the same label finds the same rooms and users again\n";

static void complain(const char *about)
{
    fprintf(stderr, "bench-load: %s\n\n%s", about, usage);
    exit(2);
}

static unsigned number(const char *name, const char *value, unsigned most)
{
    char *end, text[128];
    unsigned long n = strtoul(value, &end, 10);
    if (!isdigit((unsigned char)value[0]) || *end || n > most) {
        snprintf(text, sizeof text, "%s takes a number up to %u, not %.40s", name, most, value);
        complain(text);
    }
    return (unsigned)n;
}

static double decimal(const char *name, const char *value)
{
    char *end, text[128];
    double n = strtod(value, &end);
    if (!isdigit((unsigned char)value[0]) || *end || n > 1e9) {
        snprintf(text, sizeof text, "%s takes a number, not %.40s", name, value);
        complain(text);
    }
    return n;
}

/* Numbers with commas between them. */
static unsigned numbers(const char *name, char *text, int *out, unsigned cap, unsigned most)
{
    unsigned count = 0;
    for (char *next = text, *part; (part = strsep(&next, ","));) {
        if (count == cap)
            complain("too many numbers");
        out[count++] = (int)number(name, part, most);
    }
    return count;
}

static void read_group(struct options *options, char *value)
{
    char *equals = strchr(value, '=');
    if (!equals || equals == value || equals - value >= GROUP_NAME || options->group_count == MAX_GROUPS)
        complain("--pids takes GROUP=PID[,PID...], sixteen groups at most");
    struct pid_group *group = &options->groups[options->group_count++];
    memcpy(group->name, value, (size_t)(equals - value));
    group->count = numbers("--pids", equals + 1, group->pids, MAX_PIDS, 1 << 30);
}

static void set(struct options *options, const char *name, char *value)
{
    if (!strcmp(name, "--protocol"))
        options->protocol = value;
    else if (!strcmp(name, "--to"))
        options->to_count = numbers(name, value, options->to, MAX_ADDRESSES, 65535);
    else if (!strcmp(name, "--http"))
        options->http = (int)number(name, value, 65535);
    else if (!strcmp(name, "--pids"))
        read_group(options, value);
    else if (!strcmp(name, "--clients"))
        options->clients = number(name, value, 1000000);
    else if (!strcmp(name, "--rooms"))
        options->rooms = number(name, value, 1000000);
    else if (!strcmp(name, "--rate"))
        options->rate = decimal(name, value);
    else if (!strcmp(name, "--window"))
        options->window = number(name, value, 100000);
    else if (!strcmp(name, "--seconds"))
        options->seconds = decimal(name, value);
    else if (!strcmp(name, "--warmup"))
        options->warmup = decimal(name, value);
    else if (!strcmp(name, "--bytes"))
        options->bytes = number(name, value, CONTENT_MAX);
    else if (!strcmp(name, "--label"))
        options->label = value;
    else
        complain("there is no such option");
}

static bool is_label(const char *label)
{
    size_t len = strspn(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    return len && len <= LABEL_MAX && !label[len];
}

void options_read(struct options *options, int argc, char **argv)
{
    *options = (struct options){.clients = 500, .rooms = 1, .seconds = 10, .bytes = 80, .label = "bench"};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help")) {
            fputs(usage, stdout);
            exit(0);
        }
        if (!strcmp(argv[i], "--herd")) {
            options->herd = true;
            continue;
        }
        if (i + 1 == argc)
            complain("an option lacks its value");
        set(options, argv[i], argv[i + 1]);
        i++;
    }
    if (!options->protocol || !options->to_count)
        complain("--protocol and --to are needed");
    if (!options->rooms || options->clients < options->rooms)
        complain("there is at least one room, and at least one client in each");
    if (options->rate > 0 && options->window)
        complain("--rate or --window, not both");
    if (options->bytes < STAMP_LEN)
        complain("a content of fewer bytes has no room for the stamp");
    if (!is_label(options->label))
        complain("a label is 1 to 24 letters, digits, - and _");
}
