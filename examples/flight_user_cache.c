/* flight_user_cache.c - a cache of users in front of a database that is asked once, not 100 times.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  One flight per user: the first who asks runs the query, who comes meanwhile shares its
 *          result, and for a minute it serves later ones too. Whoever changes a user forgets it.
 *          Each caller has its own deadline; the query is given up when the last one has left.
 * Mistake  Looking into a map under a mutex and asking the database on a miss: when a popular entry
 *          goes, all who want it ask at once. And a key that ends at its first zero byte.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASKERS = 100, TOKEN = 2 /* bytes of a key; they may be zero */ };

static sqlite3 *db;
static cconc_flight *users;
static atomic_int queries;
static atomic_int answers;
static cconc_waitgroup start_line = CCONC_WAITGROUP_INIT;

/* The function of a flight, with a token of its own: whoever started it may have left. */
static int load(cconc_ctx *ctx, void *arg, void **out_value)
{
    sqlite3_stmt *query = NULL;
    int err = cconc_ctx_err(ctx); /* a longer query would look again */
    if (!err && sqlite3_prepare_v2(db, "SELECT name FROM user WHERE token = ?", -1, &query, NULL)) {
        err = EIO;
    }
    if (!err) {
        atomic_fetch_add(&queries, 1);
        err = sqlite3_bind_blob(query, 1, arg, TOKEN, SQLITE_STATIC) ? EIO : 0;
    }
    if (!err) {
        int step = sqlite3_step(query);
        err = step == SQLITE_ROW ? 0 : step == SQLITE_DONE ? ENOENT : EIO;
    }
    if (!err) {
        const char *name = (const char *)sqlite3_column_text(query, 0); /* NULL: no memory */
        *out_value = name ? strdup(name) : NULL;
        err = *out_value ? 0 : ENOMEM;
    }
    (void)sqlite3_finalize(query);
    return err;
}

/* Copy the name of the user with token, in at most 30 seconds. */
static int find_user(cconc_ctx *parent, const void *token, char *out_name, size_t size)
{
    cconc_flight_result *result;
    cconc_ctx_mem mem;
    cconc_ctx *ctx = cconc_ctx_until(&mem, parent, cconc_clock_after(30 * CCONC_SECOND));
    void *arg = malloc(TOKEN); /* load may outlive this call */
    int err;
    if (!arg) {
        return ENOMEM;
    }
    memcpy(arg, token, TOKEN);
    err = cconc_flight_do(users, ctx, token, TOKEN, load, arg, free, &result);
    if (!err) {
        (void)snprintf(out_name, size, "%s", (const char *)cconc_flight_result_value(result));
        cconc_flight_result_unref(result);
    }
    return err;
}

/* Ask when all others do: as many threads wait at the line. */
static int ask(cconc_ctx *ctx, void *arg)
{
    char name[32];
    cconc_waitgroup_done(&start_line);
    int err = cconc_waitgroup_wait(&start_line, ctx);
    err = err ? err : find_user(ctx, arg, name, sizeof(name));
    if (!err && strcmp(name, "Ada") == 0) {
        atomic_fetch_add(&answers, 1);
    }
    return err;
}

static int ask_all(void *token)
{
    cconc_group *group;
    int err = cconc_group_new(NULL, NULL, &group);
    if (err) {
        return err;
    }
    cconc_waitgroup_add(&start_line, ASKERS);
    for (int i = 0; i < ASKERS && !err; i++) {
        err = cconc_group_go(group, NULL, ask, token);
    }
    int wait_err = err ? cconc_group_stop(group, NULL) : cconc_group_wait(group, NULL, NULL);
    cconc_group_free(group);
    if (!err && !wait_err) {
        printf("%d threads asked for one user: %d answers, %d query\n", ASKERS,
               atomic_load(&answers), atomic_load(&queries));
    }
    return err ? err : wait_err;
}

static int execute(const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : EIO;
}

static void tell(const char *what, const void *token)
{
    char name[32] = "";
    int err = find_user(NULL, token, name, sizeof(name));
    printf("%s: %s, %d queries so far\n", what,
           err == ENOENT ? "no such user" : err ? cconc_strerror(err) : name,
           atomic_load(&queries));
}

/* One connection for all threads: SQLite lets them in one after the other. */
static int open_database(void)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    if (sqlite3_open_v2(":memory:", &db, flags, NULL) != SQLITE_OK) {
        return EIO;
    }
    return execute("CREATE TABLE user (token BLOB PRIMARY KEY, name TEXT NOT NULL);"
                   "INSERT INTO user VALUES (x'0007', 'Ada'), (x'0008', 'Grace')");
}

static int run(void)
{
    static unsigned char ada[TOKEN] = {0, 7};
    static const unsigned char grace[TOKEN] = {0, 8};
    static const unsigned char nobody[TOKEN] = {0, 9};
    int err = ask_all(ada);
    if (!err) {
        tell("another user, whose key differs behind a zero byte", grace);
        err = execute("UPDATE user SET name = 'Countess' WHERE token = x'0007'");
    }
    if (!err) {
        tell("updated", ada);
        cconc_flight_forget(users, ada, sizeof(ada));
        tell("updated and forgotten", ada);
        tell("unknown", nobody);
        tell("still unknown, since failures are not kept", nobody);
    }
    return err;
}

int main(void)
{
    const cconc_flight_opts opts = {.destroy = free, .keep_ns = 60 * CCONC_SECOND};
    int err = open_database();
    err = err ? err : cconc_flight_new(&opts, &users);
    err = err ? err : run();
    if (err) {
        fprintf(stderr, "flight_user_cache: %s\n", cconc_strerror(err));
    }
    cconc_flight_free(users);
    cconc_shutdown(NULL); /* also waits for a query that all its callers have left */
    (void)sqlite3_close(db);
    return err ? 1 : 0;
}
