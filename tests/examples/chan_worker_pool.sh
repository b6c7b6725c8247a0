#!/bin/sh
# chan_worker_pool.sh - every job is done once, and a worker that gives up ends the producer
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
1000 jobs, sum 500500
stopped: job 500 cannot be done
END
