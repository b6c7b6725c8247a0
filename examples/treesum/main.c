/* main.c - treesum: SHA-256 of every regular file below directories, on all processors
 * SPDX-License-Identifier: MIT
 *
 * A walker, a number of workers and a printer are tasks of one group, joined by bounded channels
 * (the picture is in treesum.h). Whatever ends the run early - Ctrl-C, a full disk, --fail-fast -
 * ends the group's context, and with it every wait of every task; cconc_group_wait then returns
 * when all of them have.
 */
#include "treesum.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_NS (100 * CCONC_MS)
#define SPARE_JOBS_PER_WORKER 4
#define MAX_RATE (UINT64_C(1024) << 30) /* 1024G; no machine reads more in a second */
#define BURSTS_PER_SECOND 10            /* as often as the bar is drawn, so that it never stands */

enum { EXIT_ERRORS = 1, EXIT_USAGE = 2, EXIT_SIGNAL = 128 };

static const char usage_text[] =
    "Usage: treesum [-j N] [-q] [--rate BYTES/S] [--fail-fast] DIR...\n";

static const char help_text[] =
    "Print the SHA-256 of every regular file below each DIR, as sha256sum prints it, in the byte\n"
    "order of the paths: the output is that of\n"
    "    find DIR -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum\n"
    "Several DIRs come one after the other, in the order given. Symbolic links are not followed.\n"
    "\n"
    "  -j, --jobs N   hash N files at a time (1 to 256; default: the number of processors)\n"
    "  -q, --quiet    no progress bar and no summary on standard error\n"
    "  --rate BYTES/S\n"
    "                 read no more than so many bytes a second, all files together; K, M or G\n"
    "                 behind the number stand for units of 1024, 1024^2 or 1024^3 bytes\n"
    "  --fail-fast    stop at the first path that cannot be read\n"
    "  -h, --help     print this and exit\n"
    "  --version      print the version and exit\n"
    "\n"
    "Exit status: 0 all was read; 1 something was not, or the output could not be written;\n"
    "2 wrong usage; 130 after Ctrl-C (128 + the number of the signal). A second Ctrl-C ends the\n"
    "program at once.\n";

static uint32_t processor_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 2;
    }
    int count = CPU_COUNT(&set);
    return count < MAX_JOBS ? (uint32_t)count : MAX_JOBS;
}

static _Noreturn void exit_usage(void)
{
    (void)fprintf(stderr, "%sTry 'treesum --help'.\n", usage_text);
    exit(EXIT_USAGE);
}

static _Noreturn void exit_after_printing(const char *first, const char *second)
{
    if (printf("%s%s", first, second) < 0 || fflush(stdout) != 0) {
        (void)fprintf(stderr, "treesum: write error: %s\n", strerror(errno));
        exit(EXIT_ERRORS);
    }
    exit(0);
}

static uint32_t parse_jobs(const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 1 || value > MAX_JOBS) {
        (void)fputs("treesum: --jobs wants a number from 1 to 256\n", stderr);
        exit_usage();
    }
    return (uint32_t)value;
}

/* Give the bytes of "4096", "64K", "10M" or "1G". */
static uint64_t parse_rate(const char *text)
{
    static const char units[] = "KMG";
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    bool is_number = isdigit((unsigned char)*text) && *(unit ? end + 1 : end) == '\0';
    if (errno != 0 || !is_number || value < 1 || value > MAX_RATE >> shift) {
        (void)fputs("treesum: --rate wants a number of bytes from 1 to 1024G, with K, M or G for "
                    "units of 1024, 1024^2 or 1024^3\n",
                    stderr);
        exit_usage();
    }
    return (uint64_t)value << shift;
}

/* Read the command line. Usage errors, --help and --version end the program here. */
static void parse_options(int argc, char **argv, struct options *out_options)
{
    enum { RATE = 256, FAIL_FAST, VERSION };
    static const struct option names[] = {{"jobs", required_argument, NULL, 'j'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"rate", required_argument, NULL, RATE},
                                          {"fail-fast", no_argument, NULL, FAIL_FAST},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, VERSION},
                                          {NULL, 0, NULL, 0}};
    struct options options = {.jobs = processor_count()};
    for (;;) {
        int option = getopt_long(argc, argv, "j:qh", names, NULL);
        if (option == -1) {
            break;
        }
        switch (option) {
        case 'j':
            options.jobs = parse_jobs(optarg);
            break;
        case 'q':
            options.quiet = true;
            break;
        case RATE:
            options.rate = parse_rate(optarg);
            break;
        case FAIL_FAST:
            options.fail_fast = true;
            break;
        case 'h':
            exit_after_printing(usage_text, help_text);
        case VERSION:
            exit_after_printing("treesum (libcconc) ", CCONC_VERSION_STRING "\n");
        default:
            exit_usage(); /* getopt_long has said what is wrong */
        }
    }
    if (optind == argc) {
        (void)fputs("treesum: no directory given\n", stderr);
        exit_usage();
    }
    options.roots = argv + optind;
    options.root_count = (size_t)(argc - optind);
    *out_options = options;
}

/* Start all tasks of the run. */
static int start_tasks(struct run *run)
{
    int err = cconc_group_go(run->group, NULL, print_task, run);
    for (uint32_t i = 0; i < run->options.jobs && err == 0; i++) {
        err = cconc_group_go(run->group, NULL, hash_task, run);
    }
    if (err == 0) {
        err = cconc_group_go(run->group, NULL, feed_task, run);
    }
    if (err == 0 && run->console.bar) {
        err = cconc_group_go(run->group, NULL, scout_task, run);
    }
    return err;
}

/* Wait for all tasks, and draw the bar ten times a second meanwhile. */
static int wait_for_tasks(struct run *run, const char **out_message)
{
    for (;;) {
        cconc_ctx_mem mem;
        int64_t tick_ns = run->console.bar ? cconc_clock_after(TICK_NS) : CCONC_NEVER;
        cconc_ctx *until_tick = cconc_ctx_until(&mem, NULL, tick_ns);
        int err = cconc_group_wait(run->group, until_tick, out_message);
        if (err != EINPROGRESS) {
            return err;
        }
        console_draw(&run->console, run);
    }
}

/* Make the limiter, if there is to be a rate. Its burst is the most that is read at a time: a whole
 * block, or less where that would take long. */
static int make_limiter(struct run *run)
{
    uint64_t burst = run->options.rate / BURSTS_PER_SECOND;
    if (run->options.rate == 0) {
        return 0;
    }
    if (burst > BLOCK_BYTES) {
        burst = BLOCK_BYTES;
    }
    return cconc_limiter_new((double)run->options.rate, burst > 0 ? (int32_t)burst : 1,
                             &run->limiter);
}

/* Make the channels and the group, run it, and release everything. */
static int run_group(struct run *run)
{
    const char *message = NULL;
    size_t ahead = (size_t)run->options.jobs * SPARE_JOBS_PER_WORKER;
    run->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    int err = run->sha256 ? 0 : DIGEST_FAILED;
    if (err == 0) {
        err = make_limiter(run);
    }
    if (err == 0) {
        err = cconc_chan_new(sizeof(struct batch *), ahead, &run->jobs);
    }
    if (err == 0) {
        err = cconc_chan_new(sizeof(struct batch *), MAX_BATCHES, &run->order);
    }
    if (err == 0) {
        err = cconc_chan_new(sizeof(struct batch *), MAX_BATCHES, &run->spare);
    }
    if (err == 0) {
        err = cconc_group_new(run->signals, NULL, &run->group);
    }
    if (err == 0) {
        err = start_tasks(run);
        if (err != 0) {
            (void)cconc_group_stop(run->group, NULL);
        } else {
            err = wait_for_tasks(run, &message);
        }
    }
    if (err != 0 && cconc_ctx_signal(run->signals) == 0) {
        console_message(&run->console, message ? message : error_reason(err), NULL);
    }
    cconc_group_free(run->group);
    for (size_t i = 0; i < run->batch_count; i++) {
        free(run->batches[i]);
    }
    cconc_chan_free(run->spare);
    cconc_chan_free(run->order);
    cconc_chan_free(run->jobs);
    cconc_limiter_free(run->limiter);
    EVP_MD_free(run->sha256);
    return err;
}

/* Say how the run went, and give the exit status. */
static int report(struct run *run, int err)
{
    char text[160];
    int signal_number = cconc_ctx_signal(run->signals);
    if (signal_number != 0) {
        (void)snprintf(text, sizeof text,
                       "interrupted after %" PRIu64 " of %" PRIu64 " files, %" PRIu64 " bytes",
                       run->hashed_files, run->found_files, run->hashed_bytes);
        console_message(&run->console, text, NULL);
        return EXIT_SIGNAL + signal_number;
    }
    if (err == 0 && !run->options.quiet) {
        progress_summary(run, text, sizeof text);
        console_message(&run->console, text, NULL);
    }
    return err != 0 || run->errors != 0 ? EXIT_ERRORS : 0;
}

static int treesum(struct run *run)
{
    console_init(&run->console, !run->options.quiet);
    int err = cconc_ctx_with_signals(NULL, NULL, 0, CCONC_CTX_SECOND_SIGNAL_EXITS, &run->signals);
    if (err != 0) {
        console_message(&run->console, "cannot catch signals", cconc_strerror(err));
        return EXIT_ERRORS;
    }
    run->start_ns = cconc_clock_now();
    int status = report(run, run_group(run));
    cconc_ctx_free(run->signals);
    return status;
}

/* Fill what is closed of the standard descriptors, so that no other file takes its place and gets
 * what is meant for it. Read-only: writing still fails. */
static void fill_standard_descriptors(void)
{
    int fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO) {
        fd = open("/dev/null", O_RDONLY);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

int main(int argc, char **argv)
{
    static char error_buffer[4096];
    static struct run run = {.console = {.mu = PTHREAD_MUTEX_INITIALIZER}};
    fill_standard_descriptors();
    parse_options(argc, argv, &run.options);
    (void)setvbuf(stderr, error_buffer, _IOFBF, sizeof error_buffer);
    (void)signal(SIGPIPE, SIG_IGN); /* so that write tells, by EPIPE */
    int status = treesum(&run);
    (void)cconc_shutdown(NULL);
    return status;
}
