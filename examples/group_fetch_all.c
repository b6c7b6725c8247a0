/* group_fetch_all.c - fetch several pages at once; the first failure tells what it was doing.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  Fan out with a slot per task, fan in with wait. A task that fails says so with
 *          cconc_group_fail(): code and message travel together, the others are cancelled, and wait
 *          hands both to the caller.
 * Mistake  An error code alone ("connection refused") does not tell which of the pages it was; a
 *          message in a shared buffer is a data race. And without cancellation the caller waits for
 *          the slowest page although the answer is known to be useless.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdio.h>

struct page {
    cconc_group *group;
    const char *url;
    int64_t latency_ns; /* how long the pretended server takes ... */
    int status;         /* ... to refuse with this code, or to send bytes */
    size_t bytes;
    size_t fetched; /* the slot for the result */
};

/* Stands for an HTTP client that takes a context. */
static int get(cconc_ctx *ctx, struct page *page)
{
    int err = cconc_ctx_sleep(ctx, page->latency_ns);
    if (!err && !page->status) {
        page->fetched = page->bytes;
    }
    return err ? err : page->status;
}

static int fetch(cconc_ctx *ctx, void *arg)
{
    struct page *page = arg;
    int err = get(ctx, page);
    if (!err || cconc_ctx_err(ctx)) {
        return err; /* it worked, or somebody else failed before: nothing to tell */
    }
    return cconc_group_fail(page->group, err, "fetching %s: %s", page->url,
                            err == ECONNREFUSED ? "connection refused" : cconc_strerror(err));
}

static int fetch_all(struct page *pages, size_t count)
{
    cconc_group *group = NULL;
    const char *message = NULL;
    int err = cconc_group_new(NULL, NULL, &group);
    if (err) {
        return err;
    }
    for (size_t i = 0; i < count && !err; i++) {
        pages[i].group = group;
        err = cconc_group_go(group, NULL, fetch, &pages[i]);
    }
    if (err) {
        cconc_group_stop(group, NULL);
    } else {
        err = cconc_group_wait(group, NULL, &message);
        if (err) {
            printf("failed: %s\n", message);
        }
    }
    for (size_t i = 0; i < count && !err; i++) {
        printf("%s %zu bytes\n", pages[i].url, pages[i].fetched);
    }
    cconc_group_free(group); /* and message with it */
    return err;
}

int main(void)
{
    struct page good[] = {{.url = "http://a.example/", .latency_ns = 2 * CCONC_MS, .bytes = 1270},
                          {.url = "http://b.example/", .latency_ns = 1 * CCONC_MS, .bytes = 311},
                          {.url = "http://c.example/", .bytes = 90}};
    struct page bad[] = {{.url = "http://slow.example/", .latency_ns = 3600 * CCONC_SECOND},
                         {.url = "http://down.example/", .status = ECONNREFUSED}};
    int err = fetch_all(good, sizeof(good) / sizeof(good[0]));
    int refused = fetch_all(bad, sizeof(bad) / sizeof(bad[0]));
    if (err || refused != ECONNREFUSED) { /* the second one is meant to fail */
        fprintf(stderr, "group_fetch_all: %s\n", cconc_strerror(err ? err : refused));
    }
    cconc_shutdown(NULL);
    return err || refused != ECONNREFUSED;
}
