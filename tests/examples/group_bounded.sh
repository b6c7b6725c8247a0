#!/bin/sh
# group_bounded.sh - all items are done with no more than eight buffers
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
10000 items, checksum 1273080
buffers at once: at most 8
END
