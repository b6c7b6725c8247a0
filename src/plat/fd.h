/* fd.h - a descriptor that is readable from the moment it is raised
 * SPDX-License-Identifier: MIT
 */
#ifndef PLAT_FD_H
#define PLAT_FD_H

typedef struct plat_fd {
    int read_end;  /* what to poll */
    int write_end; /* the same where one descriptor will do */
} plat_fd;

/* Both ends close on exec and never block. Returns 0, EMFILE, ENFILE or ENOMEM. */
int  cconc__fd_open(plat_fd *fd);
void cconc__fd_close(plat_fd *fd);

/* Make it readable; async-signal-safe, keeps errno. Doing it twice does no harm. */
void cconc__fd_raise(int write_end);

/* Wait until it is readable, then make it not so; or until other is readable, -1 = there is none.
 * For library threads. */
void cconc__fd_await(plat_fd *fd, int other);

#endif
