#!/usr/bin/env bash
# instructions.sh - instructions of each fast path, by callgrind, against those of the baseline
# SPDX-License-Identifier: MIT
#
# Usage: instructions.sh [--update] [CELL...]
#
# Runs each cell of one thread twice, with few and with many operations: the difference is what an
# operation costs, without the start of the program. Prints "cell <TAB> instructions <TAB> baseline"
# and fails if one has more than 5 % above the baseline. Counts of another compiler or machine say
# nothing: then it tells so, and exits with 77. --update writes the baseline anew.
#
# CELLS     the program, default the release build that compare.sh makes
# BASELINE  the file, default instructions.tsv beside this script
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
baseline=${BASELINE:-$PWD/tests/bench/instructions.tsv}
few=1000
many=5000
most_percent=105

# Where no thread waits for another, the same instructions run each time.
fast_paths=(chan_1t_cap1 select_1t_2ready select_1t_default sem_1t once_fast sometimes_skip_1t
    limiter_allow_1t limiter_deny_1t limiter_wait_ready limiter_keyed_1key_1t ctx_new_cancel
    ctx_timeout_new_cancel ctx_err_live ctx_err_deep10 counter_1t ticker_wait_ready
    ticker_select_ready timer_start_stop_1t singleflight_1t objpool_1t)

update=
if [ "${1:-}" = --update ]; then
    update=1
    shift
fi
wanted=("${fast_paths[@]}")
if [ $# -gt 0 ]; then
    wanted=("$@")
fi
if ! command -v valgrind >/dev/null; then
    echo "SKIPPED: valgrind is not installed (Debian package valgrind)"
    exit 77
fi

if [ -z "${CELLS:-}" ]; then
    library=$PWD/build/bench/lib
    mkdir -p "$library"
    [ -f "$library/build.ninja" ] ||
        meson setup "$library" --buildtype=debugoptimized -Dexamples=disabled >"$library/setup.log"
    ninja -C "$library" tests/bench/cells >"$library/build.log" ||
        { tail -n 20 "$library/build.log" >&2; exit 1; }
    CELLS=$library/tests/bench/cells
fi

# The compiler as the program itself tells it, and the kind of machine.
compiler="$(readelf -p .comment "$CELLS" | sed -n 's/^ *\[ *[0-9a-f]*\] *//p' | head -n 1)"
machine=$(uname -m)

# count CELL OPS: prints the instructions that the program runs.
count() {
    local counted
    counted=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$CELLS" -n "$2" "$1" 2>&1 |
        sed -n 's/^==[0-9]*== Collected : \([0-9]*\)$/\1/p')
    [ -n "$counted" ] || { echo "callgrind could not run $1" >&2; exit 1; }
    echo "$counted"
}

# measure CELL: prints the instructions of an operation, with one decimal.
measure() {
    local with_few with_many
    with_few=$(count "$1" "$few")
    with_many=$(count "$1" "$many")
    awk -v d="$((with_many - with_few))" -v n="$((many - few))" 'BEGIN { printf "%.1f\n", d / n }'
}

# fact KEY: what the baseline has been made with.
fact() {
    sed -n "s/^# $1	//p" "$baseline"
}

if [ -n "$update" ]; then
    {
        printf '# compiler\t%s\n# machine\t%s\n' "$compiler" "$machine"
        for cell in "${wanted[@]}"; do
            printf '%s\t%s\n' "$cell" "$(measure "$cell")"
        done
    } >"$baseline.new"
    mv "$baseline.new" "$baseline"
    cat "$baseline"
    exit
fi

echo "compiler: $compiler on $machine"
if [ "$(fact compiler)" != "$compiler" ] || [ "$(fact machine)" != "$machine" ]; then
    echo "SKIPPED: the baseline is of $(fact compiler) on $(fact machine)"
    exit 77
fi
status=0
for cell in "${wanted[@]}"; do
    before=$(sed -n "s/^$cell	//p" "$baseline")
    [ -n "$before" ] || { echo "$cell is not in the baseline: $baseline" >&2; exit 1; }
    now=$(measure "$cell")
    grown=
    if awk -v a="$now" -v b="$before" -v p="$most_percent" 'BEGIN { exit !(a * 100 > b * p) }'; then
        grown=$'\tGROWN'
        status=1
    fi
    printf '%s\t%s\t%s%s\n' "$cell" "$now" "$before" "$grown"
done
exit "$status"
