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

enum { ASKERS = 100, TOKEN = 2 };

static sqlite3 *db;
static cconc_flight *users;
static atomic_int queries;
static atomic_int answers;

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
        *out_value = strdup((const char *)sqlite3_column_text(query, 0));
        err = *out_value ? 0 : ENOMEM;
    }
    (void)sqlite3_finalize(query);
    return err;
}

/* Copy the name of the user with token. */
static int find_user(const void *token, char *out_name, size_t size)
{
    cconc_flight_result *result;
    cconc_ctx_mem mem;
    cconc_ctx *ctx = cconc_ctx_until(&mem, NULL, cconc_clock_after(30 * CCONC_SECOND));
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

static int ask(cconc_ctx *ctx, void *arg)
{
    char name[32];
    int err = find_user(arg, name, sizeof(name));
    (void)ctx;
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
    for (int i = 0; i < ASKERS && !err; i++) {
        err = cconc_group_go(group, NULL, ask, token);
    }
    err = cconc_group_wait(group, NULL, NULL) || err;
    cconc_group_free(group);
    return err;
}

static void tell(const char *what, const void *token)
{
    char name[32] = "";
    int err = find_user(token, name, sizeof(name));
    printf("%s: %s, %d queries so far\n", what,
           err == ENOENT ? "no such user" : err ? cconc_strerror(err) : name,
           atomic_load(&queries));
}

int main(void)
{
    static unsigned char ada[TOKEN] = {0, 7};
    static const unsigned char grace[TOKEN] = {0, 8};
    static const unsigned char nobody[TOKEN] = {0, 9};
    const cconc_flight_opts opts = {.destroy = free, .keep_ns = 60 * CCONC_SECOND};
    if (sqlite3_open(":memory:", &db) || cconc_flight_new(&opts, &users) ||
        sqlite3_exec(db, "CREATE TABLE user (token BLOB PRIMARY KEY, name TEXT);"
                         "INSERT INTO user VALUES (x'0007', 'Ada'), (x'0008', 'Grace')",
                     NULL, NULL, NULL) ||
        ask_all(ada)) {
        return 1;
    }
    printf("%d threads asked for one user: %d answers, %d query\n", ASKERS, atomic_load(&answers),
           atomic_load(&queries));
    tell("another user, whose key differs behind a zero byte", grace);
    if (sqlite3_exec(db, "UPDATE user SET name = 'Countess' WHERE token = x'0007'", NULL, NULL,
                     NULL)) {
        return 1;
    }
    tell("updated", ada);
    cconc_flight_forget(users, ada, sizeof(ada));
    tell("updated and forgotten", ada);
    tell("unknown", nobody);
    tell("still unknown, since failures are not kept", nobody);
    cconc_flight_free(users);
    (void)sqlite3_close(db);
    return cconc_shutdown(NULL);
}
