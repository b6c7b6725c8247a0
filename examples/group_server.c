/* group_server.c - a TCP server run by a group, with a graceful shutdown.
 * SPDX-License-Identifier: MIT
 *
 * Usage    group_server [PORT [DRAIN-MS]]; GET /slow/N is answered by N lines, one every 20 ms.
 *
 * Pattern  One task accepts, one task per connection serves, one group holds them all and limits
 *          them. Two contexts tell the two ways to end apart: "stop" (SIGINT or SIGTERM) ends the
 *          accepting and the waiting for requests; the group's own context is cancelled only when
 *          the time to drain is over, and breaks off what still runs. A second signal kills.
 * Mistake  Calling exit on a signal: requests in flight are cut off. Or waiting for them without a
 *          limit: one client that does not read keeps the process for ever.
 */
#include <cconc/cconc.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAX_CONNECTIONS = 64,
    REQUEST_BYTES = 4096,
    LINE_BYTES = 18,     /* "line 0001 of 0010" and the line end */
    PATIENCE_MS = 10000, /* how long a client may neither send nor take anything */
};

struct server {
    cconc_group *group; /* the accepting task and all connections; its context is the hard end */
    cconc_ctx *stop;    /* done: accept nothing more, finish what is in flight */
    int listener;
    atomic_uint served;  /* answers that went out in full, or until the client left */
    atomic_uint cut_off; /* answers that the hard end broke off */
};

struct connection {
    struct server *server;
    int fd;
};

/* Wait until fd is ready for events, or ctx is done: that is a descriptor to poll, too. */
static int wait_io(int fd, short events, int timeout_ms, cconc_ctx *ctx)
{
    struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = -1, .events = POLLIN}};
    int err = cconc_ctx_fd(ctx, &fds[1].fd);
    if (err) {
        return err;
    }
    int ready = poll(fds, 2, timeout_ms);
    if (ready < 0 && errno != EINTR) {
        return errno;
    }
    return ready == 0 ? ETIMEDOUT : cconc_ctx_err(ctx);
}

/* After a call on fd has failed: wait until another try is worth it, else tell why it is not. */
static int wait_to_retry(int fd, short events, cconc_ctx *ctx)
{
    bool is_over = errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
    return is_over ? errno : wait_io(fd, events, PATIENCE_MS, ctx);
}

static int send_all(int fd, cconc_ctx *ctx, const char *bytes, size_t len)
{
    int err = 0;
    while (len > 0 && !err) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0) {
            err = wait_to_retry(fd, POLLOUT, ctx);
        } else {
            bytes += sent;
            len -= (size_t)sent;
        }
    }
    return err;
}

/* Read a request's head, up to its empty line, as a string. */
static int read_request(int fd, cconc_ctx *stop, char request[REQUEST_BYTES])
{
    size_t len = 0;
    int err = 0;
    request[0] = '\0';
    while (!err && !strstr(request, "\r\n\r\n")) {
        ssize_t got = read(fd, request + len, REQUEST_BYTES - 1 - len);
        if (got < 0) {
            err = wait_to_retry(fd, POLLIN, stop);
        } else if (got == 0) {
            err = EPIPE; /* the client has gone, or there is no room for more */
        } else {
            len += (size_t)got;
            request[len] = '\0';
        }
    }
    return err;
}

static int answer(int fd, cconc_ctx *ctx, const char *request)
{
    char text[128];
    unsigned lines = 1;
    (void)sscanf(request, "GET /slow/%4u ", &lines);
    int len = snprintf(text, sizeof(text), "HTTP/1.0 200 OK\r\nContent-Length: %u\r\n\r\n",
                       lines * LINE_BYTES);
    int err = send_all(fd, ctx, text, (size_t)len);
    for (unsigned i = 1; i <= lines && !err; i++) {
        len = snprintf(text, sizeof(text), "line %04u of %04u\n", i, lines);
        err = send_all(fd, ctx, text, (size_t)len);
        if (!err && i < lines) {
            err = cconc_ctx_sleep(ctx, 20 * CCONC_MS); /* stands for work */
        }
    }
    return err;
}

/* Serve one connection. What goes wrong with it is no failure of the group. */
static int serve(cconc_ctx *ctx, void *arg)
{
    struct connection *connection = arg;
    struct server *server = connection->server;
    char request[REQUEST_BYTES];
    if (fcntl(connection->fd, F_SETFL, O_NONBLOCK) == 0 &&
        read_request(connection->fd, server->stop, request) == 0) {
        int err = answer(connection->fd, ctx, request); /* in flight: no longer ended by stop */
        atomic_fetch_add(err && cconc_ctx_err(ctx) ? &server->cut_off : &server->served, 1);
    }
    close(connection->fd);
    free(connection);
    return 0;
}

/* Give fd to a task, waiting while there are MAX_CONNECTIONS; the backlog holds the others. */
static int hand_over(struct server *server, int fd)
{
    struct connection *connection = malloc(sizeof(*connection));
    int err = ENOMEM;
    if (connection) {
        *connection = (struct connection){.server = server, .fd = fd};
        err = cconc_group_go(server->group, server->stop, serve, connection);
    }
    if (err) { /* not started: both are still ours */
        free(connection);
        close(fd);
    }
    return err;
}

static int accept_loop(cconc_ctx *ctx, void *arg)
{
    struct server *server = arg;
    int err = 0;
    (void)ctx;
    while ((err = wait_io(server->listener, POLLIN, -1, server->stop)) == 0) {
        int fd = accept(server->listener, NULL, NULL);
        int failed = fd < 0 ? errno : hand_over(server, fd);
        if (failed && failed != EAGAIN && failed != ECONNABORTED) {
            cconc_ctx_sleep(server->stop, 100 * CCONC_MS); /* out of something: it passes */
        }
    }
    close(server->listener); /* clients that come now are refused and can go elsewhere */
    if (cconc_ctx_err(server->stop)) {
        return 0;
    }
    return cconc_group_fail(server->group, err, "waiting for clients: error %d", err);
}

static int listen_on(uint16_t port, int *out_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof(address);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, (struct sockaddr *)&address, len) || listen(fd, SOMAXCONN) ||
        fcntl(fd, F_SETFL, O_NONBLOCK) || getsockname(fd, (struct sockaddr *)&address, &len)) {
        return errno; /* the process ends; so does fd */
    }
    *out_fd = fd;
    printf("listening on 127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
    return 0;
}

/* Run until stopped, then drain for at most drain_ns. */
static int run(struct server *server, int64_t drain_ns)
{
    const char *message = NULL;
    cconc_ctx_mem mem;
    int err = cconc_group_go(server->group, NULL, accept_loop, server);
    if (err) {
        return err;
    }
    if (cconc_ctx_wait(server->stop, cconc_group_ctx(server->group)) == 0) {
        cconc_ctx_cause(server->stop, &message);
        printf("%s, draining\n", message);
    } else {
        cconc_ctx_cancel(server->stop); /* the group failed: stop as if by signal */
    }
    cconc_ctx *drain = cconc_ctx_until(&mem, NULL, cconc_clock_after(drain_ns));
    err = cconc_group_wait(server->group, drain, &message);
    if (err == EINPROGRESS) {
        err = cconc_group_stop(server->group, NULL); /* the hard end */
    } else if (err) {
        fprintf(stderr, "group_server: %s\n", message);
    }
    printf("%u served, %u cut off\n", atomic_load(&server->served), atomic_load(&server->cut_off));
    return err;
}

static int start(uint16_t port, int64_t drain_ns)
{
    const cconc_group_opts opts = {.limit = MAX_CONNECTIONS + 1}; /* and the accepting task */
    struct server server = {.listener = -1};
    int err = cconc_ctx_with_signals(NULL, NULL, 0, CCONC_CTX_SECOND_SIGNAL_EXITS, &server.stop);
    if (!err) {
        err = cconc_group_new(NULL, &opts, &server.group);
    }
    if (!err) {
        err = listen_on(port, &server.listener);
    }
    if (!err) {
        err = run(&server, drain_ns);
    }
    if (err) {
        fprintf(stderr, "group_server: %s\n", strerror(err));
    }
    cconc_group_free(server.group);
    cconc_ctx_free(server.stop);
    return err || atomic_load(&server.cut_off) > 0;
}

int main(int argc, char **argv)
{
    long port = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    long drain_ms = argc > 2 ? strtol(argv[2], NULL, 10) : 5000;
    if (argc > 3 || port < 0 || port > UINT16_MAX || drain_ms < 0 || drain_ms > INT32_MAX) {
        fprintf(stderr, "usage: group_server [PORT [DRAIN-MS]]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* a pipe shows each line at once, too */
    int status = start((uint16_t)port, drain_ms * CCONC_MS);
    cconc_shutdown(NULL);
    return status;
}
