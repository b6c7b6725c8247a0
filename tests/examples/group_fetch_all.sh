#!/bin/sh
# group_fetch_all.sh - the first failure brings its message and ends the hour-long fetch
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
http://a.example/ 1270 bytes
http://b.example/ 311 bytes
http://c.example/ 90 bytes
failed: fetching http://down.example/: connection refused
END
