/* signal.c - hearing of signals outside of signal handlers
 * SPDX-License-Identifier: MIT
 *
 * Idea        The handler notes the number in an array and raises a descriptor; a thread that waits
 *             on the descriptor does the rest. The handler touches atomics and one descriptor only.
 * Invariants  I1 kept[n] is the disposition found before the hook, as long as n is hooked.
 *             I2 The handler keeps errno.
 * Locks       None; hook and unhook are serialised by the caller, the handler takes no lock.
 * Ordering    sig.1  cconc__signal_listen(): store sc, load sc    signal_handler(): add sc, load sc
 *                    forbids: the handler uses a descriptor that listen() closes afterwards
 *
 *             weaker than sc                       sc
 *             listen(NULL)    handler              listen(NULL)           handler
 *             target = -1     inside = 1        A  target = -1         C  inside = 1
 *             inside? 0       target? 7         B  inside?             D  target?
 *             fd 7 closes     writes to 7          B reads 0, so B is before C, so D reads -1
 *             sig.2  signal_handler(): swap rel -> cconc__signal_take(): swap acq    (lock) the
 *                    note
 * Lifetime    The arrays are static; a handler may run at any time after its signal was hooked.
 * Rejected    A thread in sigwait: it needs the signal blocked in every other thread. */
#include "plat/signal.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "plat/atomic.h"
#include "plat/cpu.h"

const int cconc__signal_defaults[] = {SIGINT, SIGTERM};
const size_t cconc__signal_default_count = 2;

static struct sigaction kept[PLAT_SIGNAL_END]; /* (i) while hooked */
static atom_u32 arrived[PLAT_SIGNAL_END];      /* (a) [sig.2] */
static atom_u32 exits[PLAT_SIGNAL_END];        /* (a) contexts that want the second one to exit */
static atom_u32 exit_arrivals;                 /* (a) of such signals */
static atom_u32 exit_at = {UINT32_MAX};        /* (a) how many of them end the process */
static atom_u32 inside;                        /* (a) handlers running [sig.1] */
static atom_u32 target;                        /* (a) descriptor + 1, 0 = none [sig.1] */

bool cconc__signal_may_hook(int number)
{
    static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    if (number <= 0 || number >= PLAT_SIGNAL_END) {
        return false;
    }
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        if (number == never[i]) {
            return false;
        }
    }
    return true;
}

const char *cconc__signal_name(int number)
{
    static const struct {
        int         number;
        const char *name;
    } names[] = {
        {SIGINT, "interrupt"},       {SIGTERM, "terminated"}, {SIGHUP, "hangup"},
        {SIGQUIT, "quit"},           {SIGUSR1, "user 1"},     {SIGUSR2, "user 2"},
        {SIGPIPE, "broken pipe"},    {SIGALRM, "alarm"},      {SIGCHLD, "child"},
        {SIGCONT, "continue"},       {SIGWINCH, "window"},    {SIGTSTP, "terminal stop"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return "signal";
}

static void signal_handler(int number)
{
    uint32_t to;
    (void)atom_add_sc(&inside, 1); /* [sig.1] C: before D reads target */
    if (atom_load_rlx(&exits[number]) > 0) {               /* rlx: a count, nothing behind it */
        uint32_t before = atom_add_rlx(&exit_arrivals, 1); /* rlx: as above */
        if (before + 1 >= atom_load_rlx(&exit_at)) {       /* rlx: as above */
            _exit(128 + number);
        }
    }
    (void)atom_swap_rel(&arrived[number], 1); /* [sig.2] rel: the note */
    to = atom_load_sc(&target);               /* [sig.1] D */
    if (to > 0) {
        cconc__fd_raise((int)to - 1);
    }
    (void)atom_sub_sc(&inside, 1); /* [sig.1] the use of target is over */
}

void cconc__signal_listen(const plat_fd *fd)
{
    atom_store_sc(&target, fd ? (uint32_t)fd->write_end + 1 : 0); /* [sig.1] A: before B */
    while (!fd && atom_load_sc(&inside) > 0) {                    /* [sig.1] B */
        plat_cpu_yield();
    }
}

int cconc__signal_hook(int number)
{
    struct sigaction ours = {0};
    int saved = errno;
    int err = 0;
    ours.sa_handler = signal_handler;
    ours.sa_flags = SA_RESTART;
    (void)sigfillset(&ours.sa_mask);
    (void)atom_swap_acq(&arrived[number], 0); /* [sig.2] acq: what came before is not for us */
    if (sigaction(number, &ours, &kept[number]) != 0) {
        err = EINVAL;
    }
    errno = saved;
    return err;
}

void cconc__signal_unhook(int number)
{
    int saved = errno;
    (void)sigaction(number, &kept[number], NULL);
    errno = saved;
}

void cconc__signal_count_exits(int number, bool on)
{
    if (on) {
        (void)atom_add_rlx(&exits[number], 1); /* rlx: a count, nothing behind it */
    } else {
        (void)atom_sub_rlx(&exits[number], 1); /* rlx: as above */
    }
}

uint32_t cconc__signal_exit_arrivals(void)
{
    return atom_load_rlx(&exit_arrivals); /* rlx: a count, nothing behind it */
}

void cconc__signal_exit_at(uint32_t arrivals)
{
    atom_store_rlx(&exit_at, arrivals); /* rlx: a count, nothing behind it */
}

bool cconc__signal_take(int number)
{
    return atom_swap_acq(&arrived[number], 0) != 0; /* [sig.2] acq: the note */
}

void cconc__signal_accept(int number)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, number);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
