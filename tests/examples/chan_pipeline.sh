#!/bin/sh
# chan_pipeline.sh - both the end of the numbers and the end of the interest stop all stages
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
all of it: 338350
enough at 1015
END
