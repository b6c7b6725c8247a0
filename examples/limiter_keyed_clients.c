/* limiter_keyed_clients.c - a service that limits each of its clients, known or not.
 * SPDX-License-Identifier: MIT
 *
 * Pattern  One keyed limiter in front of the service, asked with the client's address. Who has
 *          spent its tokens is told when to come back, which is what Retry-After is for. Memory is
 *          bounded, whoever comes: clients that stay away are forgotten, without a thread that
 *          looks for them.
 * Mistake  A map from client to limiter that only grows: a scan of all addresses fills the memory.
 *          One limiter for all: one greedy client shuts the others out.
 */
#include <cconc/cconc.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BURST = 5, MOST_CLIENTS = 1000, STRANGERS = 100000 };

struct service {
    cconc_limiter_keyed *clients;
    int served;
    int refused;
};

/* Answer a request of the client with an address of len bytes: 200, 429, or 500. */
static int serve(struct service *service, const void *address, size_t len, int64_t *out_retry_s)
{
    int err = cconc_limiter_keyed_allow(service->clients, address, len, 1);
    if (err == EAGAIN) {
        int64_t delay_ns = cconc_limiter_keyed_delay(service->clients, address, len, 1);
        *out_retry_s = (delay_ns + CCONC_SECOND - 1) / CCONC_SECOND;
        service->refused++;
        return 429;
    }
    service->served += err == 0;
    return err ? 500 : 200;
}

static void tell(const struct service *service, const char *who, int status)
{
    printf("%s: %d served, %d refused, the last answer is %d\n", who, service->served,
           service->refused, status);
}

int main(void)
{
    static const unsigned char greedy[4] = {10, 0, 0, 7};
    static const unsigned char modest[4] = {10, 0, 0, 8};
    struct service service = {.served = 0};
    int64_t retry_s = 0;
    int status = 0;
    int err = cconc_limiter_keyed_new(cconc_limiter_every(60 * CCONC_SECOND), BURST, MOST_CLIENTS,
                                      &service.clients);
    if (err) {
        fprintf(stderr, "limiter_keyed_clients: %s\n", cconc_strerror(err));
        return 1;
    }
    for (int i = 0; i < 100; i++) {
        status = serve(&service, greedy, sizeof(greedy), &retry_s);
    }
    tell(&service, "a greedy client", status);
    printf("it may come back within a minute: %s\n", retry_s <= 60 ? "yes" : "no");
    status = serve(&service, modest, sizeof(modest), &retry_s);
    tell(&service, "and a modest one", status);
    for (unsigned i = 0; i < STRANGERS && status == 200; i++) {
        status = serve(&service, &i, sizeof(i), &retry_s);
    }
    tell(&service, "and 100000 strangers", status);
    printf("no more than %d clients are known: %s\n", MOST_CLIENTS,
           cconc_limiter_keyed_len(service.clients) <= MOST_CLIENTS ? "yes" : "no");
    cconc_limiter_keyed_free(service.clients);
    cconc_shutdown(NULL);
    return status == 200 ? 0 : 1;
}
