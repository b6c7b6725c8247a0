#!/usr/bin/env bash
# programs.sh - each program of the benchmarks prints all its lines at a tiny SCALE
# SPDX-License-Identifier: MIT
#
# Usage: programs.sh cells|latency|idle|growth PROGRAM
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

what=$1
program=$2
unset CELL
found=$scratch/found

# A cell of one operation is still a cell: nothing is divided by zero.
check_cells() {
    for SCALE in 0.00001 0.0000000001; do
        export SCALE
        "$program" -v >"$found" || fail "cells failed with status $?"
        expect_numbers "$found" 6
        expect_same "$here/cells.txt" <(cut -f 1 "$found") "other cells ran than cells.txt lists"
    done
    CELL=sem_1t "$program" >"$found" || fail "CELL was not run"
    expect_numbers "$found" 3
    expect_same <(echo sem_1t) <(cut -f 1 "$found") "CELL is not the only cell"
    "$program" -n 7 ctx_err_live chan_ring100_cap0 >"$found" || fail "-n was not understood"
    expect_same <(printf '%s\n' chan_ring100_cap0 ctx_err_live) <(cut -f 1 "$found") \
        "other cells ran than were named"
    CELL=no_such "$program" 2>"$found" && fail "a cell that does not exist was not told"
    SCALE=0 "$program" 2>"$found" && fail "SCALE 0 was not told"
    return 0
}

check_latency() {
    SCALE=0.015 "$program" >"$found" || fail "latency failed with status $?"
    expect_numbers "$found" 4
    expect_same <(printf 'wake_idle_p%s\t%s\n' 50 libcconc 99 libcconc 50 condvar 99 condvar) \
        <(cut -f 1,2 "$found") "other lines were printed"
}

# All threads blocked and all timers armed: what it costs is not judged.
check_idle() {
    SCALE=0.01 "$program" >"$found" || fail "idle failed with status $?"
    expect_same <(printf 'idle_1000_threads_10000_timers\tlibcconc\n') <(cut -f 1,2 "$found") \
        "other lines were printed"
    [ "$(awk -F '\t' '{ print NF }' "$found")" = 5 ] || fail "the line has other fields"
}

# Bytes are no times: a context has at most 128 with what the allocator adds, whatever the machine.
check_growth() {
    SCALE=0.001 "$program" >"$found" || fail "growth failed with status $?"
    expect_numbers "$found" 6
    expect_same <(for kind in context deadline timer channel key task after caller waiter; do
            printf '%s_%s\n' "$kind" 10 "$kind" 1000
        done) <(cut -f 1 "$found") "other kinds or numbers were measured"
    awk -F '\t' '!($5 > 0 && $6 >= $5) { print; bad = 1 } END { exit bad }' "$found" >&2 ||
        fail "bytes are missing, or fewer are taken than asked for"
    awk -F '\t' '$1 == "context_1000" && $6 > 128.5 { print; bad = 1 } END { exit bad }' \
        "$found" >&2 || fail "a context takes more than 128 bytes"
}

"check_$what"
