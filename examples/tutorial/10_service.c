/* 10_service.c - step 10 of the tutorial: a service that shuts down cleanly.
 * SPDX-License-Identifier: MIT
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORKERS = 4, ROOM = 16, BURST = 10, RATE = 1000, DRAIN_SECONDS = 5, LAST_REQUEST = 871 };

struct service {
    cconc_ctx     *stop;     /* done: nothing more comes in; what is in is finished */
    cconc_group   *workers;  /* their context is the hard end */
    cconc_chan    *requests; /* of struct request */
    cconc_flight  *answers;
    cconc_limiter *limiter;
    cconc_counter *served;
};

struct request {
    uint64_t    number;
    cconc_chan *reply; /* of int, with room for one */
};

static int compute(cconc_ctx *ctx, void *arg, void **out_value)
{
    uint64_t number = *(const uint64_t *)arg;
    int *steps = calloc(1, sizeof(*steps));
    int err = steps ? 0 : ENOMEM;
    if (number == LAST_REQUEST) {
        kill(getpid(), SIGTERM); /* the operator, in the middle of a request */
    }
    while (number > 1 && !err) {
        number = number % 2 == 0 ? number / 2 : 3 * number + 1;
        *steps += 1;
        err = cconc_ctx_err(ctx);
    }
    *out_value = steps; /* destroyed by the table, also after a failure */
    return err;
}

static uint64_t *copy_of(uint64_t number)
{
    uint64_t *copy = malloc(sizeof(*copy));
    if (copy) {
        *copy = number;
    }
    return copy;
}

static int answer(struct service *service, cconc_ctx *ctx, const struct request *request)
{
    cconc_flight_result *result = NULL;
    uint64_t *number = copy_of(request->number); /* the flight's: whoever started it may leave */
    int err = number ? cconc_limiter_wait(service->limiter, ctx, 1) : ENOMEM;
    if (err) {
        free(number);
        return err;
    }
    err = cconc_flight_do(service->answers, ctx, &request->number, sizeof(request->number), compute,
                          number, free, &result);
    if (!err) {
        err = cconc_chan_send(request->reply, ctx, cconc_flight_result_value(result));
        cconc_flight_result_unref(result);
    }
    cconc_counter_add(service->served, err == 0);
    return err;
}

static int serve(cconc_ctx *ctx, void *arg)
{
    struct service *service = arg;
    struct request request;
    int err = 0;
    while (!err && (err = cconc_chan_recv(service->requests, service->stop, &request)) == 0) {
        err = answer(service, ctx, &request);
    }
    if (err && !cconc_ctx_err(service->stop)) {
        return cconc_group_fail(service->workers, err, "serving: %s", cconc_strerror(err));
    }
    cconc_chan_close(service->requests); /* who sends now is told so: EPIPE */
    for (err = 0; !err && cconc_chan_try_recv(service->requests, &request) == 0;) {
        err = answer(service, ctx, &request); /* it was let in, so it is served */
    }
    return err;
}

/* A client: ask, and wait for the answer. */
static void ask(struct service *service, cconc_chan *reply, uint64_t number)
{
    const struct request request = {number, reply};
    int steps = 0;
    int err = cconc_chan_send(service->requests, service->stop, &request);
    if (!err) {
        err = cconc_chan_recv(reply, cconc_group_ctx(service->workers), &steps);
    }
    if (err) {
        printf("%d: %s\n", (int)number, cconc_strerror(err));
    } else {
        printf("%d: %d steps\n", (int)number, steps);
    }
}

/* Wait until told to stop, then for the workers, at most DRAIN_SECONDS. */
static int drain(struct service *service)
{
    const char *message = NULL;
    cconc_ctx_mem mem;
    if (cconc_ctx_wait(service->stop, cconc_group_ctx(service->workers)) == 0) {
        cconc_ctx_cause(service->stop, &message);
        printf("%s, draining\n", message);
    }
    cconc_ctx_cancel(service->stop); /* if a worker failed: stop as if by signal */
    cconc_ctx *soon = cconc_ctx_until(&mem, NULL, cconc_clock_after(DRAIN_SECONDS * CCONC_SECOND));
    int err = cconc_group_wait(service->workers, soon, &message);
    if (err == EINPROGRESS) {
        err = cconc_group_stop(service->workers, NULL); /* the hard end: what still runs is cut */
    } else if (err) {
        fprintf(stderr, "10_service: %s\n", message);
    }
    return err;
}

static int run(struct service *service, cconc_chan *reply)
{
    static const uint64_t numbers[] = {27, 97, 27, LAST_REQUEST};
    int err = 0;
    for (int i = 0; i < WORKERS && !err; i++) {
        err = cconc_group_go(service->workers, NULL, serve, service);
    }
    if (err) {
        cconc_group_stop(service->workers, NULL);
        return err;
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        ask(service, reply, numbers[i]);
    }
    err = drain(service);
    ask(service, reply, 6171);
    printf("%d served\n", (int)cconc_counter_get(service->served));
    return err;
}

static int start(struct service *service, cconc_chan **reply)
{
    const cconc_flight_opts opts = {.destroy = free, .keep_ns = 10 * CCONC_SECOND};
    int err = cconc_ctx_with_signals(NULL, NULL, 0, CCONC_CTX_SECOND_SIGNAL_EXITS, &service->stop);
    err = err ? err : cconc_group_new(NULL, NULL, &service->workers);
    err = err ? err : cconc_chan_new(sizeof(struct request), ROOM, &service->requests);
    err = err ? err : cconc_flight_new(&opts, &service->answers);
    err = err ? err : cconc_limiter_new(RATE, BURST, &service->limiter);
    err = err ? err : cconc_counter_new(NULL, &service->served);
    return err ? err : cconc_chan_new(sizeof(int), 1, reply);
}

int main(void)
{
    struct service service = {0};
    cconc_chan *reply = NULL;
    int err = start(&service, &reply);
    if (!err) {
        err = run(&service, reply);
    }
    if (err) {
        fprintf(stderr, "10_service: %s\n", cconc_strerror(err));
    }
    cconc_chan_free(reply); /* tasks have ended: now their objects, then contexts, then threads */
    cconc_counter_free(service.served);
    cconc_limiter_free(service.limiter);
    cconc_flight_free(service.answers);
    cconc_chan_free(service.requests);
    cconc_group_free(service.workers);
    cconc_ctx_free(service.stop);
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
