/* timer_debounce.c - save once, when the typing has paused: a function timer that is put off.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  Every change resets one timer, so its function runs when nothing has changed for a
 *          while. At the end cconc_timer_stop() says whether a save was still to come, then it is
 *          done at once; cconc_timer_stop_wait() also waits for one that is just running.
 * Mistake  A new timer a change saves once a change, only later; and freeing the document while the
 *          last save still reads it.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

enum { CHANGES = 5 };

static const int64_t pause_ns = 500 * CCONC_MS; /* more than it takes to make all changes */

struct document {
    pthread_mutex_t mu;
    int changes; /* made so far */
    int saved;   /* of these, safe */
    int saves;
    cconc_chan *events; /* elements of size 0: something was saved */
};

/* On a thread of the library's. */
static void save(void *arg)
{
    struct document *doc = arg;
    pthread_mutex_lock(&doc->mu);
    doc->saved = doc->changes;
    doc->saves++;
    pthread_mutex_unlock(&doc->mu);
    int err = cconc_chan_try_send(doc->events, NULL);
    if (err && err != EAGAIN) { /* full is fine: somebody will be told anyway */
        fprintf(stderr, "timer_debounce: %s\n", cconc_strerror(err));
    }
}

static void change(struct document *doc, cconc_timer *timer)
{
    pthread_mutex_lock(&doc->mu);
    doc->changes++;
    pthread_mutex_unlock(&doc->mu);
    (void)cconc_timer_reset(timer, pause_ns); /* false: a save has begun; this is one more */
}

static int edit(struct document *doc, cconc_timer *timer)
{
    for (int i = 0; i < CHANGES; i++) {
        change(doc, timer);
    }
    int err = cconc_chan_recv(doc->events, NULL, NULL); /* the pause */
    if (err) {
        return err;
    }
    printf("%d changes, %d saved by %d save\n", doc->changes, doc->saved, doc->saves);
    change(doc, timer);
    if (cconc_timer_stop_wait(timer)) { /* the end does not wait for a pause */
        save(doc);
    }
    printf("%d changes, %d saved by %d saves\n", doc->changes, doc->saved, doc->saves);
    return 0;
}

int main(void)
{
    struct document doc = {.mu = PTHREAD_MUTEX_INITIALIZER};
    cconc_timer *timer = NULL;
    int err = cconc_chan_new(0, 1, &doc.events);
    if (!err) {
        err = cconc_timer_new_func(CCONC_NEVER, save, &doc, &timer); /* waits for a reset */
    }
    if (!err) {
        err = edit(&doc, timer);
    }
    if (err) {
        fprintf(stderr, "timer_debounce: %s\n", cconc_strerror(err));
    }
    cconc_timer_free(timer); /* before what its function uses */
    cconc_chan_free(doc.events);
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
