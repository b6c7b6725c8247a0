/* once_connection.c - a database connection that is opened when somebody first needs it.
 * SPDX-License-Identifier: MIT
 *
 * Usage    once_connection [FILE]; without one, a database in memory.
 *
 * Pattern  The first of eight tasks opens the connection, the others wait for it, each no longer
 *          than its own context allows; what was opened is kept. With cconc_once_value a failure is
 *          kept, too: what cannot work is not tried eight times. With cconc_once_value_retry the
 *          next one to ask tries again: right for a server that may come back.
 * Mistake  "if (!db) open(&db)" in several threads opens twice, or uses half a connection. And
 *          pthread_once cannot fail: its function has nowhere to put an error.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { TASKS = 8 };

/* A place that is opened once, and how often that was tried. */
struct source {
    cconc_once once;
    const char *path;
    int misses; /* so many tries fail first, as with a server that is starting */
    atomic_int tries;
};

static struct source good = {.once = CCONC_ONCE_INIT};
static struct source bad = {.once = CCONC_ONCE_INIT, .path = "/nonexistent/users.db"};
static struct source late = {.once = CCONC_ONCE_INIT, .path = ":memory:", .misses = 2};

/* Run by one caller while the others wait. */
static int connect_to(cconc_ctx *ctx, void *arg, void **out_db)
{
    struct source *source = arg;
    sqlite3 *db = NULL;
    (void)ctx; /* sqlite3_open_v2 cannot be broken off; a network client would take it */
    if (atomic_fetch_add(&source->tries, 1) < source->misses) {
        return ECONNREFUSED;
    }
    if (sqlite3_open_v2(source->path, &db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                        NULL) != SQLITE_OK) {
        int err = sqlite3_errcode(db) == SQLITE_CANTOPEN ? ENOENT : EIO;
        (void)sqlite3_close(db); /* it exists even now, to tell the reason */
        return err;
    }
    *out_db = db;
    return 0;
}

static void disconnect(void *db)
{
    (void)sqlite3_close(db);
}

static int query(cconc_ctx *ctx, void *arg)
{
    struct source *source = arg;
    void *db = NULL;
    int err = cconc_once_value(&source->once, ctx, connect_to, source, &db);
    if (!err && sqlite3_exec(db, "SELECT 1", NULL, NULL, NULL) != SQLITE_OK) {
        err = EIO;
    }
    return err;
}

/* Let all tasks query source at once. */
static int query_all(struct source *source)
{
    cconc_group *group = NULL;
    int err = cconc_group_new(NULL, NULL, &group);
    for (int i = 0; i < TASKS && !err; i++) {
        err = cconc_group_go(group, NULL, query, source);
    }
    if (group) {
        int wait_err = cconc_group_wait(group, NULL, NULL);
        err = wait_err ? wait_err : err;
    }
    cconc_group_free(group);
    return err;
}

/* Ask until it works: each call after a failure is a new attempt. */
static int query_until_it_works(struct source *source)
{
    void *db = NULL;
    int err = ECONNREFUSED;
    while (err == ECONNREFUSED) {
        err = cconc_once_value_retry(&source->once, NULL, connect_to, source, &db);
    }
    return err;
}

static void tell(const char *what, const struct source *source, int err)
{
    printf("%s: %s, tried %d times\n", what, err ? strerror(err) : "connected",
           atomic_load(&source->tries));
}

int main(int argc, char **argv)
{
    good.path = argc > 1 ? argv[1] : ":memory:";
    int err = query_all(&good);
    tell("eight tasks", &good, err);
    int kept = query_all(&bad);
    kept = kept == query(NULL, &bad) ? kept : EDOM; /* asked again, it is the same error */
    tell("a path that does not exist", &bad, kept);
    int retried = query_until_it_works(&late);
    tell("a server that starts late", &late, retried);
    cconc_once_reset(&good.once, disconnect);
    cconc_once_reset(&bad.once, disconnect);
    cconc_once_reset(&late.once, disconnect);
    cconc_shutdown(NULL);
    if (err) {
        fprintf(stderr, "once_connection: %s: %s\n", good.path, cconc_strerror(err));
    }
    return err || kept != ENOENT || retried;
}
