#!/bin/sh
# limiter_keyed_clients.sh - a greedy client is refused, others are not, and memory is bounded
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
a greedy client: 5 served, 95 refused, the last answer is 429
it may come back within a minute: yes
and a modest one: 6 served, 95 refused, the last answer is 200
and 100000 strangers: 100006 served, 95 refused, the last answer is 200
no more than 1000 clients are known: yes
END
