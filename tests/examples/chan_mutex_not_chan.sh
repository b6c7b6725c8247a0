#!/bin/sh
# chan_mutex_not_chan.sh - both locks exclude, and only the channel can be given up waiting for
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
mutex: 8000
channel: 8000
channel: gave up waiting for the lock
END
