/* select_first_of.c - a hedged request: ask a second server when the first one is slow.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  Ask one replica; if it has not answered after a moment, ask another; the first answer
 *          wins and the loser is cancelled. Each replica has a channel of capacity 1, so a loser
 *          that is done anyway leaves its answer there and goes.
 * Mistake  With unbuffered channels and a bare send the loser waits for good for somebody to take
 *          its answer: one leaked thread per request. And without cancellation each hedge doubles
 *          the load just when the servers are slow.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdio.h>

struct replica {
    const char *name;
    int64_t latency_ns;
    cconc_chan *answer; /* of const char * */
    int err;            /* how it ended; read after the group has stopped */
};

static int ask(cconc_ctx *ctx, void *arg)
{
    struct replica *replica = arg;
    replica->err = cconc_ctx_sleep(ctx, replica->latency_ns); /* stands for the network */
    if (!replica->err) {
        replica->err = cconc_chan_send(replica->answer, ctx, &replica->name);
    }
    return replica->err;
}

static int first_of(cconc_group *group, struct replica *main_one, struct replica *spare,
                    int64_t hedge_ns, const char **out_winner)
{
    enum { MAIN, SPARE, FAILED, HEDGE };
    const cconc_select_case cases[] = {
        [MAIN] = cconc_select_recv(main_one->answer, out_winner),
        [SPARE] = cconc_select_recv(spare->answer, out_winner),
        [FAILED] = cconc_select_done(cconc_group_ctx(group)),
        [HEDGE] = cconc_select_until(cconc_clock_after(hedge_ns)),
    };
    size_t fired = FAILED;
    int err = cconc_group_go(group, NULL, ask, main_one);
    if (err) {
        return err;
    }
    err = cconc_select(cases, HEDGE + 1, 0, &fired);
    if (fired == HEDGE) { /* it takes too long: ask the other one, too, and wait for either */
        err = cconc_group_go(group, NULL, ask, spare);
        if (!err) {
            err = cconc_select(cases, HEDGE, 0, &fired); /* the last case is over */
        }
    }
    return err;
}

static int request(int64_t latency_ns, int64_t hedge_ns)
{
    struct replica replicas[] = {{.name = "main replica", .latency_ns = latency_ns},
                                 {.name = "spare replica", .err = EAGAIN}};
    cconc_group *group = NULL;
    const char *winner = "nobody";
    int err = cconc_chan_new(sizeof(const char *), 1, &replicas[0].answer);
    if (!err) {
        err = cconc_chan_new(sizeof(const char *), 1, &replicas[1].answer);
    }
    if (!err) {
        err = cconc_group_new(NULL, NULL, &group);
    }
    if (!err) {
        err = first_of(group, &replicas[0], &replicas[1], hedge_ns, &winner);
        int stop_err = cconc_group_stop(group, NULL); /* cancels the loser, and waits for it */
        err = err ? err : stop_err;
    }
    printf("%s answered", winner);
    printf(", main %s", replicas[0].err == ECANCELED ? "cancelled" : "done");
    printf(", spare %s\n", replicas[1].err == EAGAIN ? "not asked" : "asked");
    cconc_group_free(group);
    cconc_chan_free(replicas[1].answer);
    cconc_chan_free(replicas[0].answer);
    return err;
}

int main(void)
{
    int err = request(0, 60 * CCONC_SECOND);
    if (!err) {
        err = request(3600 * CCONC_SECOND, 5 * CCONC_MS);
    }
    if (err) {
        fprintf(stderr, "select_first_of: %s\n", cconc_strerror(err));
    }
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
