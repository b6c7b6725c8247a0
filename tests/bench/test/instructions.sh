#!/usr/bin/env bash
# instructions.sh - growth of more than 5 % fails, less does not, another compiler is skipped
# SPDX-License-Identifier: MIT
#
# Usage: instructions.sh CELLS_PROGRAM
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

command -v valgrind >"$scratch/found" || { echo "valgrind is not installed"; exit 77; }
CELLS=$(realpath "$1")
export CELLS BASELINE=$scratch/baseline.tsv
cell=ctx_err_live
printed=$scratch/printed

# run STATUS WHAT: counts the cell, and expects the status.
run() {
    local status=0
    "$bench/instructions.sh" "$cell" >"$printed" 2>&1 || status=$?
    [ "$status" = "$1" ] || fail "$2: status $status, not $1: $(cat "$printed")"
}

# with_baseline PERCENT: a baseline that has so much of what was counted.
with_baseline() {
    awk -F '\t' -v OFS='\t' -v percent="$1" '!/^#/ { $2 = $2 * percent / 100 } { print }' \
        "$scratch/counted.tsv" >"$BASELINE"
}

"$bench/instructions.sh" --update "$cell" >"$printed"
cp "$BASELINE" "$scratch/counted.tsv"
awk -F '\t' '/^ctx/ && $2 > 1 && $2 < 200 { found = 1 } END { exit !found }' "$BASELINE" ||
    fail "no operation takes so many instructions: $(cat "$BASELINE")"
run 0 "the same count"
grep -q '^compiler: .* on ' "$printed" || fail "the compiler is not told"
with_baseline 97
run 0 "3 % more"
with_baseline 93
run 1 "7 % more"
grep -q 'GROWN$' "$printed" || fail "what has grown is not told"
sed 's/^# compiler.*/# compiler\tanother/' "$scratch/counted.tsv" >"$BASELINE"
run 77 "another compiler"
grep -q '^SKIPPED: the baseline is of another' "$printed" || fail "the reason is not told"
sed 's/^ctx/other/' "$scratch/counted.tsv" >"$BASELINE"
run 1 "a cell that the baseline lacks"

# The committed baseline has each fast path, and the script names each fast path that is there.
expect_same <(grep -v '^#' "$bench/instructions.tsv" | cut -f 1) \
    <(sed -n '/^fast_paths=(/,/)/p' "$bench/instructions.sh" | tr -d '()' |
        sed 's/^fast_paths=//' | tr -s ' ' '\n' | grep .) "the baseline has other cells"
