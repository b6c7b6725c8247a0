#!/bin/sh
# sometimes_log.sh - the first three warnings, and every hundredth
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
warning 1: the disk is slow
warning 2: the disk is slow
warning 3: the disk is slow
warning 101: the disk is slow
warning 201: the disk is slow
warning 301: the disk is slow
350 warnings, 6 told
END
