#!/bin/sh
# ctx_after.sh - a blocking read is broken off by its context, and only then
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
answer: hello
no answer in time
END
