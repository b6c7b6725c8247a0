#!/bin/sh
# sem_bounded_tasks.sh - all jobs run, and never over the budget
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
12 jobs, 36 MiB in all
never more than 8 MiB at once: yes
END
