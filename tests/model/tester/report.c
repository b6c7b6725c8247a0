/* report.c - what led to a failure: the shortest choices that do, and each step with its line.
 * SPDX-License-Identifier: MIT
 */
#include "engine.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_LINES = 4096, LONG_LIST = 400, TEXT_BYTES = 160, MINIMISE_RUNS = 4000 };

typedef struct line {
    const fiber *f;  /* NULL = time, or a note */
    op       done;
    bool     is_note;
    char     text[TEXT_BYTES];
} line;

bool report_is_terse;

static line *lines;
static uint32_t line_count;

static const char *const kinds[] = {
    "",      "starts",  "atomic",     "locks",          "waits",      "wakes up", "signals",
    "parks", "is up",   "unparks",    "reads time",     "makes a thread", "joins", "ends",
    "yields", "until",  "word",       "awaits",         "settles",    "descriptor", "polls",
    "time passes",
};
static const char *const accesses[] = {"load", "store", "change", "change", "init"};
static const char *const orders[] = {"rlx", "consume", "acq", "rel", "acqrel", "sc"};

/* What the last step left in its object. */
static void line_finish(void)
{
    line *last = line_count > 0 ? &lines[line_count - 1] : NULL;
    if (last && !last->is_note && last->done.kind == OP_ATOMIC && last->done.size <= 8) {
        uint64_t value = 0;
        raw_copy(&value, (const void *)(uintptr_t)last->done.object, last->done.size); /* gone? */
        (void)snprintf(last->text, TEXT_BYTES, "%s %s = 0x%llx", accesses[last->done.access],
                       orders[last->done.order], (unsigned long long)value);
    }
}

void report_step(const fiber *f, const op *done)
{
    line_finish();
    if (line_count < MAX_LINES) {
        line *l = &lines[line_count++];
        *l = (line){.f = f, .done = *done};
        (void)snprintf(l->text, TEXT_BYTES, "%s", kinds[done->kind]);
    }
}

void report_note(const char *format, ...)
{
    va_list args;
    line_finish();
    if (model.is_tracing && line_count < MAX_LINES) {
        line *l = &lines[line_count++];
        *l = (line){.is_note = true};
        va_start(args, format);
        (void)vsnprintf(l->text, TEXT_BYTES, format, args);
        va_end(args);
    }
}

/* The function and line that called, innermost first, as "function file:line < function ...". */
static void place_of(const void *site, char *text, size_t size)
{
    Dl_info info;
    char command[600];
    char name[200];
    char where[200];
    size_t used = 0;
    FILE *out;
    text[0] = '\0';
    if (!site || !dladdr(site, &info) || !info.dli_fname) {
        return;
    }
    (void)snprintf(command, sizeof(command), "addr2line -f -i -s -e '%s' 0x%lx", info.dli_fname,
                   (unsigned long)((uintptr_t)site - (uintptr_t)info.dli_fbase - 1));
    out = popen(command, "r");
    while (out && fgets(name, sizeof(name), out) && fgets(where, sizeof(where), out) &&
           used + 3 < size) {
        name[strcspn(name, "\n")] = '\0';
        where[strcspn(where, " \n")] = '\0';
        used += (size_t)snprintf(text + used, size - used, "%s%s %s", used ? " < " : "", name,
                                 where);
    }
    if (out) {
        (void)pclose(out);
    }
}

/* The steps, but for most of those of a livelock, which repeat themselves: a replay lists all. */
static void print_lines(bool all)
{
    uint32_t end = all || line_count <= LONG_LIST ? line_count : LONG_LIST / 2;
    for (uint32_t i = 0; i < line_count; i++) {
        const line *l = &lines[i];
        char place[400];
        if (i == end) {
            i = line_count - LONG_LIST / 2;
            fprintf(stderr, "        and so on, up to\n");
            l = &lines[i];
        }
        if (l->is_note) {
            fprintf(stderr, "                 %s\n", l->text);
            continue;
        }
        place_of(l->done.site, place, sizeof(place));
        fprintf(stderr, "  %4u  %-8s %-26s %s\n", (unsigned)i, l->f ? l->f->name : "time", l->text,
                place);
    }
}

static bool fails_with(const model_scenario *scenario, model_failure failure,
                       const uint8_t *choices, uint32_t count)
{
    strategy_set_replay(choices, count);
    return !run_execution(scenario) && model.failure == failure;
}

/* Take choices back one by one, as long as it still fails the same way. */
static uint32_t minimise(const model_scenario *scenario, model_failure failure, uint8_t *choices,
                         uint32_t count)
{
    uint8_t attempt[MAX_STEPS];
    int runs = 0;
    bool shorter = true;
    while (shorter && runs < MINIMISE_RUNS) {
        shorter = false;
        for (uint32_t i = count; i > 0 && runs < MINIMISE_RUNS; i--) {
            if (choices[i - 1] == 0) {
                continue;
            }
            memcpy(attempt, choices, count);
            attempt[i - 1] = 0;
            runs++;
            if (fails_with(scenario, failure, attempt, count)) {
                count = strategy_choice_count;
                memcpy(choices, strategy_choices, count);
                shorter = true;
                i = i < count ? i : count;
            }
        }
    }
    while (count > 0 && choices[count - 1] == 0) {
        count--;
    }
    return count;
}

static void print_choices(const uint8_t *choices, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        fputc("0123456789abcdefghijklmnopqrstuvwxyz"[choices[i] % 36], stderr);
    }
}

void report_failure(const model_scenario *scenario)
{
    const strategy *found_by = strategy_now;
    model_failure failure = model.failure;
    uint8_t choices[MAX_STEPS];
    uint32_t count = strategy_choice_count;
    char message[sizeof(model.message)];
    scenario = model.scenario; /* or the same with the real parker */
    memcpy(choices, strategy_choices, count);
    memcpy(message, model.message, sizeof(message));
    strategy_now = &strategy_replay;
    if (fails_with(scenario, failure, choices, count)) {
        count = minimise(scenario, failure, choices, count);
    } else {
        fprintf(stderr, "(it does not fail again: %s)\n", model_failure_name(model.failure));
    }
    lines = report_is_terse ? NULL : calloc(MAX_LINES, sizeof(*lines));
    line_count = 0;
    model.is_tracing = lines != NULL;
    (void)fails_with(scenario, failure, choices, count);
    model.is_tracing = false;
    fprintf(stderr, "\n%s: %s: %s\n  found by %s, seed %llu\n", scenario->name,
            model_failure_name(failure), model.failure ? model.message : message, found_by->name,
            (unsigned long long)strategy_seed);
    if (lines) {
        print_lines(found_by == &strategy_replay);
    }
    fprintf(stderr, "  again: MODEL_REPLAY=%s%s:", scenario->name, scenario->low ? "+low" : "");
    print_choices(choices, count);
    fprintf(stderr, "\n");
    (void)fflush(stderr);
    free(lines);
    lines = NULL;
}

static void crashed(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (!model.current) {
        _exit(139);
    }
    model_fail(MODEL_CRASH, "signal %d at %p", number, info->si_addr);
}

void report_crashes(void)
{
    static char signal_stack[64 * 1024];
    stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    action.sa_sigaction = crashed;
    (void)sigaltstack(&stack, NULL);
    (void)sigaction(SIGSEGV, &action, NULL);
    (void)sigaction(SIGBUS, &action, NULL);
    (void)sigaction(SIGFPE, &action, NULL);
    (void)sigaction(SIGILL, &action, NULL);
}
