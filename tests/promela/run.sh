#!/usr/bin/env bash
# run.sh - checks the Spin models of the library's protocols, and that each wrong one is caught.
# SPDX-License-Identifier: MIT
#
# Usage: tests/promela/run.sh [MODEL...]
#
# Needs spin and a C compiler. A model NAME.pml names what is wrong in its wrong variants in a line
# `mtype:wrong = { none, ... }`; it is checked with -DWRONG=none, and with each of the others. A
# model passes if the whole state space was searched and has no error, a wrong variant if an error
# was found. Models with a line `progress:` are also searched for cycles that get nowhere. A search
# has LIMIT seconds of processor time. The last line is "N passed, N failed"; the status is 0 if
# none failed.
set -uo pipefail

LIMIT=30
DEPTH=2000000
BYTES=$((2 << 30))

cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
models=("$@")
if [ ${#models[@]} -eq 0 ]; then
    models=(*.pml)
    models=("${models[@]%.pml}")
fi
for tool in spin cc; do
    command -v $tool >/dev/null || { echo "$tool is not installed" >&2; exit 2; }
done
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
passed=0
failed=0

# search MODEL WRONG COMPILE_FLAG RUN_FLAG: writes $place/out. Returns false if that did not work.
search() {
    local model=$PWD/$1.pml
    rm -f "$place"/*
    (cd "$place" && spin "-DWRONG=$2" -a "$model" >spin.out 2>&1 &&
        cc -O2 -w "$3" "-DMEMLIM=$((BYTES >> 20))" -o pan pan.c >cc.out 2>&1) ||
        { cat "$place"/{spin,cc}.out; return 1; }
    (cd "$place" && ulimit -t $LIMIT && ./pan $4 -m$DEPTH >out 2>&1)
    grep -q 'errors: [0-9]' "$place/out"
}

# verdict: what the search in $place/out found: nothing, an error, or not all there is.
verdict() {
    local error
    error=$(sed -n 's/^pan:[0-9]*: *\(.*\) (at depth.*/\1/p' "$place/out" | head -n 1 | tr -s ' ')
    if [ -n "$error" ]; then
        echo "$error"
    elif grep -Eq 'Search not completed|max search depth|truncated|out of memory' "$place/out"; then
        echo "truncated"
    elif grep -q 'errors: 0' "$place/out"; then
        echo "nothing"
    else
        echo "not judged"
    fi
}

# add_line MODEL WRONG SEARCH DEFAULT: judges one search, prints its line; DEFAULT is what that says
# of a search that did not pass.
add_line() {
    local model=$1 wrong=$2 kind=$3 found ok=$4 flags=(-DSAFETY "") start states seconds
    if [ "$kind" = progress ]; then
        flags=(-DNP -l)
    fi
    start=$(date +%s%N)
    if search "$model" "$wrong" "${flags[@]}"; then
        found=$(verdict)
    else
        found="no search"
    fi
    seconds=$(($(date +%s%N) - start))
    states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$place/out" 2>/dev/null)
    if [ "$wrong" = none ]; then
        [ "$found" = nothing ] && ok=passed
    else
        case $found in
        nothing | truncated | "not judged" | "no search") ;;
        *) ok=passed ;;
        esac
    fi
    printf '%-7s %-10s %-18s %-9s %9s states %4d.%d s  %s\n' "$ok" "$model" "$wrong" "$kind" \
        "${states:-0}" $((seconds / 1000000000)) $((seconds / 100000000 % 10)) "$found"
    [ $ok = passed ]
}

# Is an error found by one of the kinds of search? A right model must pass all of them.
check() {
    local model=$1 wrong=$2 kinds=(safety) kind all=0 any=1
    local -A default=([safety]=failed [progress]=failed)
    if grep -q '^ *progress' "$model.pml"; then
        kinds+=(progress)
        [ "$wrong" = none ] || default[safety]=-
    fi
    for kind in "${kinds[@]}"; do
        if add_line "$model" "$wrong" "$kind" "${default[$kind]}"; then
            any=0
            [ "$wrong" = none ] || break
        else
            all=1
        fi
    done
    if [ "$wrong" = none ]; then
        return $all
    fi
    return $any
}

for model in "${models[@]}"; do
    read -r -a variants < <(tr ',\n' '  ' <"$model.pml" |
        sed -n 's/.*mtype:wrong = {\([^}]*\)}.*/\1/p')
    if [ ${#variants[@]} -lt 2 ] || [ "${variants[0]}" != none ]; then
        echo "failed  $model: no wrong variants"
        failed=$((failed + 1))
        continue
    fi
    for wrong in "${variants[@]}"; do
        if check "$model" "$wrong"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
        fi
    done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
