#!/bin/sh
# timer_debounce.sh - changes close together are saved once, and the last one at the end
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
5 changes, 5 saved by 1 save
6 changes, 6 saved by 2 saves
END
