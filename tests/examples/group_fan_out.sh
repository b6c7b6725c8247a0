#!/bin/sh
# group_fan_out.sh - every task runs, and the limit is used up but never passed
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
100 tasks, sum of squares 328350
limit 4, most at once 4
END
