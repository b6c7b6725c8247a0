#!/bin/sh
# counter_race_fixed.sh - no request is lost, neither by the tasks nor between two reports
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
80000 requests in reports, 240000 bytes
0 running now, between 1 and 8 at most: yes
END
