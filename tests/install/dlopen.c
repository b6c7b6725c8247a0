/* dlopen.c - a program that is not linked with the library: it loads it, uses it, and lets it go.
 * SPDX-License-Identifier: MIT
 */
#define CCONC_NO_INLINE 1 /* the names below are those of functions */
#include <cconc/cconc.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { COUNT = 100 };

#define FUNCTIONS(X)                                                                               \
    X(chan_close) X(chan_free) X(chan_new) X(chan_recv) X(chan_send) X(ctx_cancel) X(ctx_err)      \
    X(ctx_free) X(ctx_with_cancel) X(pool_free) X(pool_new) X(pool_submit) X(pool_wait)            \
    X(shutdown)

#define MEMBER(name) __typeof__(&cconc_##name) name;
static struct {
    FUNCTIONS(MEMBER)
} lib;

/* ISO C has no conversion from void * to a pointer to a function. */
#define LOAD(name)                                                                                 \
    found = dlsym(handle, "cconc_" #name);                                                         \
    memcpy(&lib.name, &found, sizeof found);                                                       \
    if (!found) {                                                                                  \
        fprintf(stderr, "no cconc_" #name "\n");                                                   \
        return 1;                                                                                  \
    }

static int load(void *handle)
{
    void *found;
    FUNCTIONS(LOAD)
    return 0;
}

static int send_one(cconc_ctx *ctx, void *arg)
{
    int one = 1;
    return lib.chan_send(arg, ctx, &one);
}

/* Tasks send more than the channel holds; the sum is COUNT. */
static int add_up(cconc_chan *chan, cconc_ctx *ctx)
{
    cconc_pool *pool;
    int number;
    int sum = 0;
    int err = lib.pool_new(ctx, NULL, &pool);
    if (err) {
        return err;
    }
    for (int i = 0; i < COUNT && !err; i++) {
        err = lib.pool_submit(pool, ctx, send_one, chan);
        if (!err) {
            err = lib.chan_recv(chan, ctx, &number);
            sum += number;
        }
    }
    if (!err) {
        err = lib.pool_wait(pool, ctx);
    }
    lib.chan_close(chan);
    if (!err && (sum != COUNT || lib.chan_recv(chan, ctx, &number) != EPIPE)) {
        err = ERANGE;
    }
    lib.pool_free(pool);
    return err;
}

static int use(void)
{
    cconc_ctx *ctx;
    cconc_chan *chan;
    int err = lib.ctx_with_cancel(NULL, &ctx);
    if (err) {
        return err;
    }
    err = lib.chan_new(sizeof(int), 4, &chan);
    if (!err) {
        err = add_up(chan, ctx);
        lib.chan_free(chan);
    }
    lib.ctx_cancel(ctx);
    if (!err && lib.ctx_err(ctx) != ECANCELED) {
        err = ERANGE;
    }
    lib.ctx_free(ctx);
    return err ? err : lib.shutdown(NULL);
}

int main(int argc, char **argv)
{
    for (int round = 0; argc == 2 && round < 3; round++) {
        void *handle = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        int err;
        if (!handle) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        if (load(handle)) {
            return 1;
        }
        err = use();
        if (err || dlclose(handle)) {
            fprintf(stderr, "round %d: %s\n", round, strerror(err));
            return 1;
        }
    }
    return argc == 2 ? 0 : 2;
}
