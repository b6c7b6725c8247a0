/* limiter_api_client.c - an HTTP client that keeps to the rate its service allows.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  One limiter per service. A request that must be made waits for its token, with the
 *          context that also ends the transfer; one that is as well left out takes a token only if
 *          there is one, and otherwise tells when to come back. An answer 429 is believed: the
 *          client sleeps as long as Retry-After says, with the same context, and tries again.
 * Mistake  Sleeping a fixed time between requests: ten threads then send ten times as much, a
 *          deadline is noticed too late, and after an idle hour there is still no burst.
 *          Trying again at once after a 429, which keeps the service busy with refusals.
 */
#include <cconc/cconc.h>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RATE = 50, /* requests a second that the service allows ... */
    BURST = 4, /* ... and how many of them at once */
    REQUESTS = 20,
    TRIES = 3,       /* for each request, if the service refuses it */
    REFUSED = 7,     /* the pretended service is too busy for the seventh that comes */
    HEAD_SIZE = 4096 /* room for the head of a request */
};

#define HOUR_NS (3600 * CCONC_SECOND)
#define TIMEOUT_NS (60 * CCONC_SECOND) /* for all there is to do, should the service fall silent */

struct api {
    cconc_limiter *limiter;
    char url[64];
    int64_t start_ns;
    atomic_int sent;
    atomic_int too_early; /* of these */
    atomic_int answers;
    atomic_int refusals;
};

static size_t drop(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * count;
}

/* Called by curl at least once a second during a transfer: anything but 0 ends it. */
static int watch(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    return cconc_ctx_err(ctx);
}

/* Count a request, and whether it comes before its token can have been there. */
static void count_request(struct api *api)
{
    int sent = atomic_fetch_add(&api->sent, 1) + 1;
    int64_t due_ns = api->start_ns + (sent - BURST) * (CCONC_SECOND / RATE);
    atomic_fetch_add(&api->too_early, cconc_clock_now() < due_ns);
}

/* Make one request. On 0 there was an answer: its status, and how long it asks to wait. */
static int request(struct api *api, cconc_ctx *ctx, long *out_status, int64_t *out_pause_ns)
{
    CURL *curl = curl_easy_init();
    curl_off_t seconds = 0;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    count_request(api);
    if (curl) {
        curl_easy_setopt(curl, CURLOPT_URL, api->url);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"); /* a user's client leaves this to curl */
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L); /* there are other threads */
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, ctx);
        code = curl_easy_perform(curl);
    }
    if (code == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, out_status);
        curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds);
        *out_pause_ns = seconds * CCONC_SECOND;
    }
    curl_easy_cleanup(curl);
    if (code == CURLE_OK) {
        return 0;
    }
    return code == CURLE_ABORTED_BY_CALLBACK && cconc_ctx_err(ctx) ? cconc_ctx_err(ctx) : EIO;
}

/* The blocking form, a task: a token for each try, and as long a pause as the service wants. */
static int fetch(cconc_ctx *ctx, void *arg)
{
    struct api *api = arg;
    int err = 0;
    for (int i = 0; i < TRIES && !err; i++) {
        long status = 0;
        int64_t pause_ns = 0;
        err = cconc_limiter_wait(api->limiter, ctx, 1);
        err = err ? err : request(api, ctx, &status, &pause_ns);
        if (!err && status != 429) {
            atomic_fetch_add(&api->answers, status == 200);
            return status == 200 ? 0 : EIO;
        }
        if (!err) {
            atomic_fetch_add(&api->refusals, 1);
            err = cconc_ctx_sleep(ctx, pause_ns);
        }
    }
    return err ? err : EBUSY;
}

/* The form that does not wait: EAGAIN if there is no token, or the service refuses, with the time
 * until another try is worth it. */
static int try_fetch(struct api *api, cconc_ctx *ctx, int64_t *out_retry_ns)
{
    cconc_reservation reservation;
    long status = 0;
    int err = cconc_limiter_allow(api->limiter, 1);
    if (err == EAGAIN && cconc_limiter_reserve(api->limiter, 1, CCONC_NEVER, &reservation) == 0) {
        *out_retry_ns = cconc_reservation_delay(&reservation);
        cconc_limiter_cancel(api->limiter, &reservation); /* it was only to ask */
    }
    err = err ? err : request(api, ctx, &status, out_retry_ns);
    if (!err && status != 200) {
        err = status == 429 ? EAGAIN : EIO;
    }
    return err;
}

/* Read the head of a request, and send the answer; a client that goes before that harms nobody. */
static void answer(int fd, const char *text)
{
    char head[HEAD_SIZE] = "";
    size_t len = 0;
    ssize_t got = 1;
    while (got > 0 && !strstr(head, "\r\n\r\n")) { /* 0 also if there is no room for more */
        got = read(fd, head + len, sizeof(head) - 1 - len);
        len += got > 0 ? (size_t)got : 0;
    }
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* The service: answers each request on a connection of its own, one of them with 429. What a real
 * one takes care of, many clients and slow ones, is in group_server.c. */
static int serve(cconc_ctx *ctx, void *arg)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    static const char busy[] = "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\n"
                               "Retry-After: 1\r\nContent-Length: 0\r\n\r\n";
    struct pollfd fds[2] = {{.fd = *(int *)arg, .events = POLLIN}, {.events = POLLIN}};
    int err = cconc_ctx_fd(ctx, &fds[1].fd);
    for (int served = 1; !err; served++) {
        int fd = -1;
        if (poll(fds, 2, -1) < 0) { /* until there is a client, or ctx is done */
            err = errno;
        } else if (cconc_ctx_err(ctx)) {
            err = cconc_ctx_err(ctx);
        } else if ((fd = accept(fds[0].fd, NULL, NULL)) < 0) {
            err = errno;
        } else {
            answer(fd, served == REFUSED ? busy : ok);
            close(fd);
        }
    }
    return err;
}

static int listen_on_loopback(struct api *api, int *out_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) || listen(fd, SOMAXCONN) ||
        getsockname(fd, (struct sockaddr *)&address, &len)) {
        int err = errno;
        if (fd >= 0) {
            close(fd);
        }
        return err;
    }
    (void)snprintf(api->url, sizeof(api->url), "http://127.0.0.1:%u/",
                   (unsigned)ntohs(address.sin_port));
    *out_fd = fd;
    return 0;
}

/* All requests at once, from tasks: the limiter spreads them. */
static int fetch_all(struct api *api, cconc_ctx *ctx)
{
    cconc_group *group;
    api->start_ns = cconc_clock_now();
    int err = cconc_group_new(ctx, NULL, &group);
    if (err) {
        return err;
    }
    for (int i = 0; i < REQUESTS && !err; i++) {
        err = cconc_group_go(group, NULL, fetch, api);
    }
    int wait_err = cconc_group_wait(group, NULL, NULL);
    cconc_group_free(group);
    printf("%d requests: %d answers, after %d refusal\n", REQUESTS, atomic_load(&api->answers),
           atomic_load(&api->refusals));
    printf("sent before their time: %d\n", atomic_load(&api->too_early));
    return err ? err : wait_err;
}

static int run(struct api *api, cconc_ctx *ctx)
{
    int64_t retry_ns = 0;
    cconc_ctx_mem mem;
    int err = fetch_all(api, ctx);
    err = err ? err : cconc_limiter_set_rate(api->limiter, cconc_limiter_every(HOUR_NS));
    while (!err) { /* until what is left of the burst is spent */
        err = try_fetch(api, ctx, &retry_ns);
    }
    if (err == EAGAIN) {
        printf("at once or not at all: no token, the next one %s\n",
               retry_ns <= HOUR_NS ? "within the hour" : "later");
        cconc_ctx *soon = cconc_ctx_until(&mem, ctx, cconc_clock_after(TIMEOUT_NS));
        err = cconc_limiter_wait(api->limiter, soon, BURST);
    }
    if (err == ETIMEDOUT) {
        printf("a wait that would miss its deadline is told so at once\n");
        err = 0;
    }
    return err;
}

int main(void)
{
    struct api api = {.limiter = NULL};
    cconc_group *service = NULL;
    cconc_ctx *ctx = NULL;
    int listener = -1;
    int err = curl_global_init(CURL_GLOBAL_DEFAULT) ? EIO : listen_on_loopback(&api, &listener);
    err = err ? err : cconc_limiter_new(RATE, BURST, &api.limiter);
    err = err ? err : cconc_group_new(NULL, NULL, &service);
    err = err ? err : cconc_group_go(service, NULL, serve, &listener);
    err = err ? err : cconc_ctx_with_timeout(NULL, TIMEOUT_NS, &ctx);
    err = err ? err : run(&api, ctx);
    int stop_err = service ? cconc_group_stop(service, NULL) : 0;
    err = err ? err : stop_err;
    if (err) {
        fprintf(stderr, "limiter_api_client: %s\n", cconc_strerror(err));
    }
    if (listener >= 0) {
        close(listener);
    }
    cconc_ctx_free(ctx);
    cconc_group_free(service);
    cconc_limiter_free(api.limiter);
    curl_global_cleanup();
    cconc_shutdown(NULL);
    return err ? 1 : 0;
}
