#!/bin/sh
# waitgroup_race_fixed.sh - no hit is lost with an atomic counter, no pair torn under a mutex
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
atomic: 80000 hits
mutex: 80000 hits, 240000 bytes, 0 errors
END
