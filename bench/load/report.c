#include "bench/load/report.h"

#include <math.h>
#include <stdio.h>

static void add_hist(struct bytes *out, const char *name, const struct hist *hist)
{
    static const struct {
        const char *name;
        double part;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
    if (!hist->count) {
        bytes_addf(out, ",\"%s\":null", name);
        return;
    }
    bytes_addf(out, ",\"%s\":{", name);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        bytes_addf(out, "%s\"%s\":%.3f", i ? "," : "", points[i].name,
                   (double)hist_percentile(hist, points[i].part) / 1e6);
    bytes_addf(out, ",\"count\":%llu}", (unsigned long long)hist->count);
}

static void add_group(struct bytes *out, unsigned i, double value)
{
    bytes_addf(out, "%s\"%s\":", i ? "," : "", world.options->groups[i].name);
    if (isnan(value))
        bytes_add(out, "null", 4);
    else
        bytes_addf(out, "%.3f", value);
}

/* CPU time between two looks, times `unit`, divided by `count`; null if that is 0. */
static void add_cpu(struct bytes *out, const char *name, const struct measure *before, const struct measure *after,
                    double unit, double count)
{
    if (count <= 0) {
        bytes_addf(out, "%s:null", name);
        return;
    }
    bytes_addf(out, "%s:{", name);
    for (unsigned i = 0; i < world.options->group_count; i++)
        add_group(out, i, (after->cpu_s[i] - before->cpu_s[i]) * unit / count);
    bytes_add(out, "}", 1);
}

static void add_memory(struct bytes *out, const struct result *result)
{
    const struct measure *before = &result->connect_before, *after = &result->connect_after;
    bytes_addf(out, ",\"memory_kib_per_client\":{");
    for (unsigned i = 0; i < world.options->group_count; i++)
        add_group(out, i, (after->memory_kib[i] - before->memory_kib[i]) / world.client_count);
    bytes_addf(out, "},\"memory_kib\":{");
    for (unsigned i = 0; i < world.options->group_count; i++)
        add_group(out, i, after->memory_kib[i]);
    bytes_add(out, "}", 1);
}

static void add_counts(struct bytes *out, const struct result *result)
{
    const struct tally *tally = &world.tally, *before = &result->before, *after = &result->after;
    double seconds = result->seconds > 0 ? result->seconds : 1;
    bytes_addf(out, "{\"protocol\":\"%s\",\"label\":\"%s\",\"clients\":%u,\"rooms\":%u,\"seconds\":%.3f",
               world.options->protocol, world.options->label, world.client_count, world.room_count, result->seconds);
    bytes_addf(out, ",\"sent\":%llu,\"acknowledged\":%llu,\"delivered\":%llu,\"expected\":%llu,\"lost\":%llu",
               (unsigned long long)tally->sent, (unsigned long long)tally->acknowledged,
               (unsigned long long)tally->delivered, (unsigned long long)world_expected(),
               (unsigned long long)world_lost());
    bytes_addf(out, ",\"faults\":%llu,\"fault_kinds\":{", (unsigned long long)world_faults());
    for (unsigned i = 0, told = 0; i < FAULTS; i++)
        if (world.faults[i])
            bytes_addf(out, "%s\"%s\":%llu", told++ ? "," : "", world_fault_name(i),
                       (unsigned long long)world.faults[i]);
    bytes_addf(out, "},\"retries\":%llu,\"other_frames\":%llu", (unsigned long long)world.retries,
               (unsigned long long)world.other_frames);
    bytes_addf(out, ",\"messages_s\":%.1f,\"deliveries_s\":%.1f,\"requests_s\":%.1f",
               (double)(after->acknowledged - before->acknowledged) / seconds,
               (double)(after->delivered - before->delivered) / seconds,
               (double)(after->requests - before->requests) / seconds);
}

void report(const struct result *result)
{
    struct bytes out = {0};
    const struct tally *before = &result->before, *after = &result->after;
    const struct measure *from = &result->cpu_before, *to = &result->cpu_after;
    add_counts(&out, result);
    add_hist(&out, "latency_ms", &world.latency);
    add_hist(&out, "ack_ms", &world.ack);
    add_cpu(&out, ",\"cpu_s\"", from, to, 1, 1);
    add_cpu(&out, ",\"cpu_us_per_delivery\"", from, to, 1e6, (double)(after->delivered - before->delivered));
    add_cpu(&out, ",\"cpu_us_per_message\"", from, to, 1e6, (double)(after->acknowledged - before->acknowledged));
    add_cpu(&out, ",\"cpu_us_per_request\"", from, to, 1e6, (double)(after->requests - before->requests));
    if (result->connected) {
        add_memory(&out, result);
        bytes_addf(&out, ",\"connect_s\":%.3f", result->connect_s);
        add_cpu(&out, ",\"connect_cpu_us\"", &result->connect_before, &result->connect_after, 1e6, world.client_count);
    }
    if (result->herd) {
        bytes_addf(&out, ",\"herd\":{\"seconds\":%.3f,\"clients\":%llu,\"missed_delivered\":%llu", result->herd_s,
                   (unsigned long long)result->herd_clients, (unsigned long long)result->herd_missed);
        add_cpu(&out, ",\"cpu_us\"", &result->herd_before, &result->herd_after, 1e6, (double)result->herd_clients);
        bytes_add(&out, "}", 1);
    }
    bytes_addf(&out, ",\"load_cpu_s\":%.3f}\n", to->load_cpu_s - from->load_cpu_s);
    fwrite(out.data, 1, out.len, stdout);
    bytes_free(&out);
}
