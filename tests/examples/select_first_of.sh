#!/bin/sh
# select_first_of.sh - the first answer wins, and the hour-long loser is cancelled
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
main replica answered, main done, spare not asked
spare replica answered, main cancelled, spare asked
END
