#!/bin/sh
# ticker_loop.sh - work, ticks and the stop are all served by one select
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
beat 1
beat 2
beat 3
stopped, 10 of 10 jobs done
END
