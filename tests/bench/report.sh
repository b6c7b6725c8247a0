#!/usr/bin/env bash
# report.sh - measures everything, and fills docs/performance.md with tables and pictures of it
# SPDX-License-Identifier: MIT
#
# Usage: [ROUNDS=5] [SCALE=1] report.sh [--from FOLDER]
#
# Needs an idle machine, the peers (compare.sh tells what is missing), gnuplot, and about an hour
# at SCALE 1. The raw numbers and the pictures go to docs/performance, and are committed with the
# document. --from FOLDER measures nothing, and takes the files of an earlier run.
#
# DOCUMENT  what is filled, default docs/performance.md; the rest goes to a folder beside it
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/bench/facts.sh
document=${DOCUMENT:-docs/performance.md}
kept=${document%.md}
build=$PWD/build/bench
from=$build
measured=(plain.tsv pinned.tsv hogs.tsv latency.tsv idle.tsv growth.tsv)

# several_rounds PROGRAM: the program's lines, as often as the cells run.
several_rounds() {
    local round
    write_facts plain
    for ((round = 0; round < ${ROUNDS:-5}; round++)); do
        "$build/lib/tests/bench/$1"
    done
}

if [ "${1:-}" = --from ]; then
    from=${2:?"--from needs a folder"}
else
    unset CELL
    tests/bench/compare.sh
    PIN=1 tests/bench/compare.sh
    HOGS=$(nproc) tests/bench/compare.sh
    for program in latency idle growth; do
        several_rounds "$program" >"$build/$program.tsv"
    done
fi

if ! command -v gnuplot >/dev/null; then
    echo "report.sh: gnuplot is missing (Debian package gnuplot-nox)" >&2
    exit 1
fi
mkdir -p "$kept"
for file in "${measured[@]}"; do
    if [ ! "$from/$file" -ef "$kept/$file" ]; then
        cp "$from/$file" "$kept/$file"
    fi
done
tests/bench/plot "$kept/plain.tsv" "$kept"
tests/bench/plot --growth "$kept/growth.tsv" "$kept"
tests/bench/fill.py "$document" "$kept"
echo "$document is filled; look at it, then commit it with $kept"
