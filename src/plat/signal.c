/* signal.c - hearing of signals outside of signal handlers
 * SPDX-License-Identifier: MIT
 *
 * Idea        The handler notes the number in an array and raises a descriptor; a thread that waits
 *             on the descriptor does the rest. The handler touches atomics and one descriptor only.
 *             A signal that every thread blocks stays pending; Linux has a descriptor for these,
 *             elsewhere the thread that waits lets them in.
 * Invariants  I1 kept[n] is the disposition found before the hook, as long as n is hooked.
 *             I2 The handler keeps errno.
 *             I3 The thread that waits never runs a handler that is not ours (Linux).
 * Locks       None; all but await are serialised by the caller, the handler takes no lock.
 *             Collect is among these, so that no signal is read that was unhooked before.
 * Ordering    sig.1  cconc__signal_close(), cconc__signal_exit_remove(): store sc,
 *                    signal_quiesce(): load sc    signal_note(): add sc, load sc, sub sc
 *                    forbids: the handler uses what is closed or given back afterwards
 *
 *             weaker than sc                       sc
 *             close()         handler              close()                handler
 *             target = 0      inside = 1        A  target = 0          C  inside = 1
 *             inside? 0       target? 7         B  inside?             D  target?
 *             fd 7 closes     writes to 7          B reads 0, so B is before C, so D reads 0
 *             sig.2  signal_note(): swap rel -> cconc__signal_take(): swap acq,
 *                    cconc__signal_has(): load acq    (lock) the note
 * Lifetime    The arrays are static; a handler may run at any time after its signal was hooked.
 *             What it walks is unlinked first, and given back when no handler is inside.
 * Rejected    A thread in sigwait: it needs the signal blocked in every other thread. One count of
 *             arrivals for all: two contexts for two signals would end the process at the first of
 *             each. */
#include "plat/fork.h"
#include "plat/signal.h"

#if !defined(CCONC_PLAT_HEADER)

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "plat/atomic.h"
#include "plat/cpu.h"

#if defined(__linux__)
#include <sys/signalfd.h>
#endif

const int cconc__signal_defaults[PLAT_SIGNAL_DEFAULTS] = {SIGINT, SIGTERM};

static struct sigaction kept[PLAT_SIGNAL_END]; /* (i) while hooked */
static atom_u32 arrived[PLAT_SIGNAL_END];      /* (a) [sig.2] */
static atom_ptr exits;                         /* (a) the added signal_exits [sig.1] */
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
        {SIGABRT, "abort"},           {SIGALRM, "alarm"},           {SIGCHLD, "child"},
        {SIGCONT, "continue"},        {SIGHUP, "hangup"},           {SIGINT, "interrupt"},
        {SIGPIPE, "broken pipe"},     {SIGPROF, "profiling timer"}, {SIGQUIT, "quit"},
        {SIGSYS, "bad system call"},  {SIGTERM, "terminated"},      {SIGTRAP, "trap"},
        {SIGTSTP, "terminal stop"},   {SIGTTIN, "terminal input"},  {SIGTTOU, "terminal output"},
        {SIGURG, "urgent data"},      {SIGUSR1, "user 1"},          {SIGUSR2, "user 2"},
        {SIGVTALRM, "virtual timer"}, {SIGWINCH, "window"},         {SIGXCPU, "processor time"},
        {SIGXFSZ, "file size"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return NULL;
}

static void signal_note(int number)
{
    uint32_t to;
    signal_exit *one;
    (void)atom_add_sc(&inside, 1); /* [sig.1] C: before D reads what may go away */
    one = atom_load_sc(&exits);    /* [sig.1] D */
    while (one) {
        bool counts = one->numbers >> (number - 1) & 1;
        if (counts && atom_add_rlx(&one->arrivals, 1) >= 1) { /* rlx: a count, nothing behind it */
            _exit(128 + number);
        }
        one = atom_load_sc(&one->next); /* [sig.1] D */
    }
    (void)atom_swap_rel(&arrived[number], 1); /* [sig.2] rel: the note */
    to = atom_load_sc(&target);               /* [sig.1] D */
    if (to > 0) {
        cconc__fd_raise((int)to - 1);
    }
    (void)atom_sub_sc(&inside, 1); /* [sig.1] the use is over */
}

/* In a forked child, where nobody would hear of it: as if it had never been hooked. It comes again
 * when the handler is left. */
static void signal_let_go(int number)
{
    int saved = errno;
    (void)sigaction(number, &kept[number], NULL);
    (void)raise(number);
    errno = saved;
}

static void signal_handler(int number)
{
    if (plat_fork_is_ours()) {
        signal_note(number);
    } else {
        signal_let_go(number);
    }
}

/* The handler that a signal would meet now. */
static void (*signal_installed(int number))(int)
{
    struct sigaction now = {0};
    (void)sigaction(number, NULL, &now);
    return now.sa_handler;
}

/* Wait until no handler runs that may have seen what was taken away before. */
static void signal_quiesce(void)
{
    uint32_t turn = 0;
    while (atom_load_sc(&inside) > 0) { /* [sig.1] B */
        plat_cpu_await(turn++);
    }
}

#if defined(__linux__)
static sigset_t hooked;  /* by the serialised callers */
static int pending = -1; /* while open: the descriptor of I3 */

static int pending_open(void)
{
    pending = signalfd(-1, &hooked, SFD_CLOEXEC | SFD_NONBLOCK);
    if (pending >= 0) {
        return 0;
    }
    return errno == EMFILE || errno == ENFILE ? errno : ENOMEM;
}

static void pending_close(void)
{
    (void)close(pending);
    pending = -1;
}

static bool pending_has(int number)
{
    return sigismember(&hooked, number) == 1;
}

static void pending_update(int number, bool on)
{
    (void)(on ? sigaddset(&hooked, number) : sigdelset(&hooked, number));
    if (pending >= 0) {
        (void)signalfd(pending, &hooked, SFD_CLOEXEC | SFD_NONBLOCK);
    }
}

void cconc__signal_await(plat_fd *fd)
{
    cconc__fd_await(fd, pending);
}

void cconc__signal_collect(void)
{
    int saved = errno;
    struct signalfd_siginfo info;
    while (read(pending, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        signal_note((int)info.ssi_signo);
    }
    errno = saved;
}
#else
static atom_u32 wanted[PLAT_SIGNAL_END]; /* (a) hooked: to be let in by await */

static int pending_open(void)
{
    return 0;
}

static void pending_close(void)
{
}

static bool pending_has(int number)
{
    return atom_load_rlx(&wanted[number]) != 0; /* rlx: by the serialised callers */
}

static void pending_update(int number, bool on)
{
    atom_store_rlx(&wanted[number], on); /* rlx: await is told by fd */
}

/* Between the end of a hook and the next call a handler that is not ours may run here. */
void cconc__signal_await(plat_fd *fd)
{
    for (int number = 1; number < PLAT_SIGNAL_END; number++) {
        bool on = atom_load_rlx(&wanted[number]) != 0; /* rlx: told by fd */
        sigset_t set;
        (void)sigemptyset(&set);
        if (cconc__signal_may_hook(number) && sigaddset(&set, number) == 0) {
            (void)pthread_sigmask(on ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
        }
    }
    cconc__fd_await(fd, -1);
}

/* They came to the handler while await let them in. */
void cconc__signal_collect(void)
{
}
#endif

int cconc__signal_open(const plat_fd *fd)
{
    int saved = errno;
    int err = pending_open();
    errno = saved;
    if (!err) {
        atom_store_sc(&target, (uint32_t)fd->write_end + 1); /* [sig.1] a handler may use it */
    }
    return err;
}

void cconc__signal_close(void)
{
    int saved = errno;
    atom_store_sc(&target, 0); /* [sig.1] A: before B */
    signal_quiesce();
    pending_close();
    errno = saved;
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
    } else {
        pending_update(number, true);
    }
    errno = saved;
    return err;
}

void cconc__signal_unhook(int number)
{
    int saved = errno;
    pending_update(number, false);
    if (signal_installed(number) == signal_handler) {
        (void)sigaction(number, &kept[number], NULL);
    }
    signal_quiesce();
    errno = saved;
}

void cconc__signal_pass_on(int number)
{
    int saved = errno;
    if (signal_installed(number) == kept[number].sa_handler) {
        (void)kill(getpid(), number); /* another handler may be what has called ours */
    }
    errno = saved;
}

void cconc__signal_exit_add(signal_exit *one)
{
    atom_init(&one->arrivals, 0);
    atom_init(&one->next, atom_load_sc(&exits)); /* [sig.1] our own store */
    atom_store_sc(&exits, one);                  /* [sig.1] a handler may walk it */
}

void cconc__signal_exit_remove(signal_exit *one)
{
    atom_ptr *at = &exits;
    signal_exit *found = atom_load_sc(at); /* [sig.1] our own stores */
    while (found != one) {
        at = &found->next;
        found = atom_load_sc(at); /* [sig.1] as above */
    }
    atom_store_sc(at, atom_load_sc(&one->next)); /* [sig.1] A: before B */
    signal_quiesce();
}

bool cconc__signal_has(int number)
{
    return atom_load_acq(&arrived[number]) != 0; /* [sig.2] acq: the note */
}

bool cconc__signal_take(int number)
{
    return atom_swap_acq(&arrived[number], 0) != 0; /* [sig.2] acq: the note */
}

void cconc__signal_forked(bool is_open)
{
    int saved = errno;
    atom_init(&target, 0);
    atom_init(&inside, 0);
    atom_init(&exits, NULL);
    if (is_open) {
        pending_close();
    }
    for (int number = 1; number < PLAT_SIGNAL_END; number++) {
        if (cconc__signal_may_hook(number) && pending_has(number)) {
            cconc__signal_unhook(number);
        }
    }
    errno = saved;
}

#endif
