#!/bin/sh
# ctx_deadline.sh - the earlier deadline ends the wait, and its cause says whose it was
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
request served: user 42
find_user: the database does not answer
request failed, time left
find_user: the request has used up its time
request failed, too late for anything
END
