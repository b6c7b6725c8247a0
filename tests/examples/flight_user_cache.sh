#!/bin/sh
# flight_user_cache.sh - a hundred callers, one query; keys of any bytes; forget after an update
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
100 threads asked for one user: 100 answers, 1 query
another user, whose key differs behind a zero byte: Grace, 2 queries so far
updated: Ada, 2 queries so far
updated and forgotten: Countess, 3 queries so far
unknown: no such user, 4 queries so far
still unknown, since failures are not kept: no such user, 5 queries so far
END
