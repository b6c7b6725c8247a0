#!/bin/sh
# once_connection.sh - one connection for eight tasks, one failure for all, and a third try
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
eight tasks: connected, tried 1 times
a path that does not exist: No such file or directory, tried 1 times
a server that starts late: connected, tried 3 times
END
