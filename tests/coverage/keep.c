/* keep.c - a process that ends without exit leaves its coverage behind
 * SPDX-License-Identifier: MIT
 *
 * The runtime of clang writes a profile when the process exits. Misuse aborts, forked children kill
 * themselves, and parts that die of a signal raise it: each of these writes the profile first.
 * Linked into test programs of coverage builds, with -Wl,--wrap for each function here.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

int __llvm_profile_write_file(void); /* of clang's runtime */

_Noreturn void __real_abort(void);
_Noreturn void __real__exit(int status);
int __real_kill(pid_t pid, int number);
int __real_raise(int number);

_Noreturn void __wrap_abort(void);
_Noreturn void __wrap__exit(int status);
int __wrap_kill(pid_t pid, int number);
int __wrap_raise(int number);

static void keep_if_deadly(int number)
{
    struct sigaction now;
    if (number == SIGKILL ||
        (number != 0 && sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_DFL)) {
        (void)__llvm_profile_write_file();
    }
}

_Noreturn void __wrap_abort(void)
{
    (void)__llvm_profile_write_file();
    __real_abort();
}

_Noreturn void __wrap__exit(int status)
{
    (void)__llvm_profile_write_file();
    __real__exit(status);
}

int __wrap_kill(pid_t pid, int number)
{
    if (pid == getpid()) {
        keep_if_deadly(number);
    }
    return __real_kill(pid, number);
}

int __wrap_raise(int number)
{
    keep_if_deadly(number);
    return __real_raise(number);
}
