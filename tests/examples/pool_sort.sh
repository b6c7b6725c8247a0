#!/bin/sh
# pool_sort.sh - everything is sorted
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
1000000 numbers sorted, 0 out of order
END
