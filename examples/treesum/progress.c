/* progress.c - how far a run is: the bar, the time left, the summary
 * SPDX-License-Identifier: MIT
 *
 * The walk that feeds the workers is never far ahead of them, so it cannot tell how much is left.
 * When there is a bar, scout_task therefore walks the trees once more, as fast as it can, and
 * counts only. Until it is through, the figures say "so far".
 */
#include "treesum.h"
#include "walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Opening and closing a file takes about as long as hashing so many bytes, and so many seconds. */
#define FILE_COST 16384
#define FILE_SECONDS 16e-6
#define BAR_MIN 10
#define BAR_MAX 40

static int scout_file(void *arg, const char *path)
{
    struct run *run = arg;
    struct stat status;
    atomic_fetch_add_explicit(&run->ahead_files, 1, memory_order_relaxed);
    if (lstat(path, &status) == 0 && S_ISREG(status.st_mode)) {
        atomic_fetch_add_explicit(&run->ahead_bytes, (uint64_t)status.st_size,
                                  memory_order_relaxed);
    }
    return 0;
}

/* What cannot be read is reported by the walk that counts, not here. */
static int scout_error(void *arg, const char *path, int err)
{
    (void)arg;
    (void)path;
    (void)err;
    return 0;
}

int scout_task(cconc_ctx *ctx, void *arg)
{
    struct run *run = arg;
    struct walk_calls calls = {.file = scout_file, .error = scout_error, .arg = run};
    for (size_t i = 0; i < run->options.root_count; i++) {
        int err = walk_tree(ctx, run->options.roots[i], &calls);
        if (err != 0) {
            return err;
        }
    }
    atomic_store_explicit(&run->ahead_complete, true, memory_order_relaxed);
    return 0;
}

/* 1536 -> "1.5 KiB" */
static void size_text(double bytes, char out_text[16])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    while (bytes >= 1023.95 && unit < 6) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(out_text, 16, "%.*f %s", unit > 0 ? 1 : 0, bytes, units[unit]);
}

/* 75 -> "1:15", 3675 -> "1:01:15" */
static void time_text(double seconds, char out_text[24])
{
    uint64_t whole = seconds < 1e9 ? (uint64_t)(seconds + 0.5) : UINT64_C(1000000000);
    uint64_t hours = whole / 3600, minutes = whole / 60 % 60, rest = whole % 60;
    if (hours > 0) {
        (void)snprintf(out_text, 24, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, hours, minutes, rest);
    } else {
        (void)snprintf(out_text, 24, "%" PRIu64 ":%02" PRIu64, minutes, rest);
    }
}

static double seconds_since(int64_t start_ns)
{
    double seconds = (double)(cconc_clock_now() - start_ns) / (double)CCONC_SECOND;
    return seconds > 1e-6 ? seconds : 1e-6;
}

static uint64_t counter(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* What opening and closing a file costs, in bytes hashed meanwhile: few at a low rate. */
static double file_cost(const struct run *run)
{
    double at_rate = (double)run->options.rate * FILE_SECONDS;
    return run->options.rate > 0 && at_rate < FILE_COST ? at_rate : FILE_COST;
}

/* "[####------] " in columns characters, at least BAR_MIN. */
static void bar_text(double share, size_t columns, char out_text[BAR_MAX + 4])
{
    size_t width = columns - 3 < BAR_MAX ? columns - 3 : BAR_MAX;
    size_t full = (size_t)(share * (double)width);
    out_text[0] = '[';
    memset(out_text + 1, '#', full);
    memset(out_text + 1 + full, '-', width - full);
    memcpy(out_text + 1 + width, "] ", 3);
}

void progress_line(const struct run *run, size_t columns, char *out_text, size_t text_size)
{
    uint64_t files = counter(&run->hashed_files), all_files = counter(&run->ahead_files);
    uint64_t bytes = counter(&run->hashed_bytes), all_bytes = counter(&run->ahead_bytes);
    bool complete = atomic_load_explicit(&run->ahead_complete, memory_order_relaxed);
    double seconds = seconds_since(run->start_ns);
    double done = (double)files * file_cost(run) + (double)bytes;
    double all = (double)all_files * file_cost(run) + (double)all_bytes;
    double share = all > done ? done / all : 1.0;
    if (all_files == 0) {
        share = 0;
    }
    char done_text[16], all_text[16], rate_text[16], left_text[24] = "?";
    size_text((double)bytes, done_text);
    size_text((double)all_bytes, all_text);
    size_text((double)bytes / seconds, rate_text);
    if (share > 0) {
        time_text(seconds * (1.0 - share) / share, left_text);
    }
    char figures[192], bar[BAR_MAX + 4] = "";
    (void)snprintf(figures, sizeof figures,
                   "%3.0f%% %" PRIu64 " of %" PRIu64 " files%s, %s of %s, %s/s, %s left",
                   100 * share, files, all_files > files ? all_files : files,
                   complete ? "" : " so far", done_text, all_text, rate_text, left_text);
    size_t used = strlen(figures);
    if (columns >= used + BAR_MIN + 3) {
        bar_text(share, columns - used, bar);
    }
    size_t room = columns + 1 < text_size ? columns + 1 : text_size;
    (void)snprintf(out_text, room, "%s%s", bar, figures);
}

void progress_summary(const struct run *run, char *out_text, size_t text_size)
{
    uint64_t files = counter(&run->hashed_files), bytes = counter(&run->hashed_bytes);
    uint64_t errors = counter(&run->errors);
    double seconds = seconds_since(run->start_ns);
    char bytes_text[16], rate_text[16];
    size_text((double)bytes, bytes_text);
    size_text((double)bytes / seconds, rate_text);
    (void)snprintf(out_text, text_size,
                   "%" PRIu64 " file%s, %s in %.2f s (%s/s), %" PRIu64 " error%s", files,
                   files == 1 ? "" : "s", bytes_text, seconds, rate_text, errors,
                   errors == 1 ? "" : "s");
}
