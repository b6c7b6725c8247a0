/* process.c - the start of a test program, parts in processes of their own, misuse, aborting
 * SPDX-License-Identifier: MIT
 */
#include "internal.h"

#include "core/self.h"
#include "support.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cconc/cconc.h>

#define CHILD_OPTION "--child"
#define MESSAGE_BYTES 256

extern char **environ;

/* The misuse that this thread expects, and what was reported. */
static _Thread_local jmp_buf misuse_jump;
static _Thread_local bool misuse_armed;
static _Thread_local char misuse_text[MESSAGE_BYTES];

_Noreturn void support_abort(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
    abort();
}

int64_t support_env_number(const char *name, int64_t fallback)
{
    const char *text = getenv(name);
    return text && *text ? strtoll(text, NULL, 0) : fallback;
}

static void misuse_hook(const char *message, void *user)
{
    (void)user;
    support_sweep_leave();
    if (!misuse_armed) {
        fprintf(stderr, "cconc: %s\n", message);
        return;
    }
    misuse_armed = false;
    snprintf(misuse_text, sizeof(misuse_text), "%s", message);
    longjmp(misuse_jump, 1);
}

void support_misuse_start(void)
{
    cconc_set_misuse_hook(misuse_hook, NULL);
}

jmp_buf *support_misuse_arm(void)
{
    misuse_armed = true;
    misuse_text[0] = '\0';
    return &misuse_jump;
}

const char *support_misuse_heard(void)
{
    misuse_armed = false;
    return misuse_text;
}

_Noreturn void support_misuse_absent(const char *file, int line, const char *text)
{
    fprintf(stderr, "no misuse was reported where this one was expected:\n");
    support_abort(file, line, text);
}

void support_misuse_compare(const char *file, int line, const char *text)
{
    if (strcmp(misuse_text, text) != 0) {
        fprintf(stderr, "reported misuse: %s\n", misuse_text);
        support_abort(file, line, text);
    }
}

void support_start(int argc, char **argv, const struct support_child *children)
{
    support_sweep_start();
    support_storm_start();
    support_memory_start();
    support_misuse_start();
    (void)self_get(); /* the main thread lives on, so its record is one of the static ones */
    if (argc != 3 || strcmp(argv[1], CHILD_OPTION) != 0) {
        return;
    }
    for (; children && children->name; children++) {
        if (strcmp(children->name, argv[2]) == 0) {
            exit(children->fn());
        }
    }
    support_abort(__FILE__, __LINE__, argv[2]);
}

void support_signals_as_usual(void)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const struct sigaction usual = {.sa_handler = SIG_DFL};
        SUPPORT_CHECK(sigaction(numbers[i], &usual, NULL) == 0);
    }
}

/* Read to the end of fd; keep what fits into size bytes with a terminator. */
static void read_all(int fd, char *out_text, size_t size)
{
    char chunk[512];
    size_t kept = 0;
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got == 0) {
            break;
        }
        if (got < 0) {
            SUPPORT_CHECK(errno == EINTR);
            continue;
        }
        size_t room = size - 1 - kept;
        size_t take = (size_t)got < room ? (size_t)got : room;
        memcpy(out_text + kept, chunk, take);
        kept += take;
    }
    out_text[kept] = '\0';
}

/* An emulator has words of its own for what ends a program: they are not the program's. */
static void cut_emulator(char *text)
{
    char *line = strstr(text, "qemu: uncaught target signal");
    char *end = line ? strchr(line, '\n') : NULL;
    if (end) {
        memmove(line, end + 1, strlen(end + 1) + 1);
    }
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        SUPPORT_CHECK(errno == EINTR);
    }
    return status;
}

/* The code goes through a pipe, and SIGKILL follows: nothing judges what a child has abandoned. */
static _Noreturn void forked_run(int (*fn)(void *arg), void *arg, int code_end)
{
    sigset_t alarms;
    unsigned char code;
    SUPPORT_CHECK(sigemptyset(&alarms) == 0 && sigaddset(&alarms, SIGALRM) == 0);
    SUPPORT_CHECK(pthread_sigmask(SIG_UNBLOCK, &alarms, NULL) == 0);
    (void)alarm((unsigned)(support_env_number("WATCHDOG_MS", 30000) / 1000));
    code = (unsigned char)fn(arg);
    SUPPORT_CHECK(write(code_end, &code, 1) == 1 && kill(getpid(), SIGKILL) == 0);
    abort();
}

int support_run_forked(int (*fn)(void *arg), void *arg)
{
    unsigned char code;
    int ends[2];
    int status;
    pid_t pid;
    ssize_t got;
    fflush(NULL);
    SUPPORT_CHECK(pipe(ends) == 0);
    pid = fork();
    SUPPORT_CHECK(pid >= 0);
    if (pid == 0) {
        forked_run(fn, arg, ends[1]);
    }
    close(ends[1]);
    status = wait_for(pid);
    got = read(ends[0], &code, 1);
    close(ends[0]);
    return got == 1 ? code << 8 : status; /* as of one that exits with code */
}

int support_run_child(const char *name, char *out_text, size_t size)
{
    char program[PATH_MAX] = {0};
    char option[] = CHILD_OPTION;
    char part[64];
    char *emulator = getenv("EMULATOR"); /* the path of what runs this program, or "" */
    char *argv[] = {emulator, program, option, part, NULL};
    char **command = emulator && *emulator ? argv : argv + 1;
    int ends[2] = {-1, -1};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    snprintf(part, sizeof(part), "%s", name);
    /* The name, not the link: under valgrind that is valgrind. */
    SUPPORT_CHECK(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
    SUPPORT_CHECK(posix_spawn_file_actions_init(&actions) == 0);
    if (out_text) {
        SUPPORT_CHECK(size > 0 && pipe(ends) == 0);
        SUPPORT_CHECK(posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO) == 0);
        SUPPORT_CHECK(posix_spawn_file_actions_addclose(&actions, ends[0]) == 0);
        SUPPORT_CHECK(posix_spawn_file_actions_addclose(&actions, ends[1]) == 0);
    }
    fflush(NULL);
    SUPPORT_CHECK(posix_spawn(&pid, command[0], &actions, NULL, command, environ) == 0);
    SUPPORT_CHECK(posix_spawn_file_actions_destroy(&actions) == 0);
    if (out_text) {
        close(ends[1]);
        read_all(ends[0], out_text, size);
        close(ends[0]);
        cut_emulator(out_text);
    }
    return wait_for(pid);
}
