#!/usr/bin/env bash
# compare.sh - measures one program and the peers of every system, and keeps what was measured
# SPDX-License-Identifier: MIT
#
# Usage: compare.sh CELLS_PROGRAM
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if ! command -v c++ >"$scratch/found"; then
    echo "the peers need a C++ compiler (Debian package g++)"
    exit 77
fi
CELLS=$(realpath "$1")
export CELLS BUILD=$scratch/build OUT=$scratch/out.tsv SCALE=0.0001 CELL=objpool_1t
printed=$scratch/printed

# expect_run MODE ROUNDS: both programs have run in turn, and the table has their cell.
expect_run() {
    local facts="date commit mode rounds scale compiler kernel cpu cores"
    expect_same <(printf '# %s\n' $facts) <(grep '^#' "$OUT" | cut -f 1) "facts are missing"
    grep -q "^# mode	$1\$" "$OUT" || fail "the mode is not told: $1"
    expect_same <(for ((i = 0; i < $2; i++)); do
            printf 'objpool_1t\t%s\n' libcconc 'malloc/free(glibc)'
        done) <(grep -v '^#' "$OUT" | cut -f 1,2) "not $2 rounds in turn"
    grep -q '^objpool_1t  *[0-9.,]*  *malloc/free(glibc)  *[0-9.,]*  *[0-9.]*!\?  ' "$printed" ||
        fail "the table has no row: $(cat "$printed")"
}

PEERS=libc ROUNDS=2 bash "$bench/compare.sh" >"$printed"
expect_run plain 2
PEERS=libc ROUNDS=1 PIN=1 bash "$bench/compare.sh" >"$printed"
expect_run pinned 1
PEERS=libc ROUNDS=1 HOGS=2 bash "$bench/compare.sh" >"$printed"
expect_run hogs 1

# A peer that cannot be built is told, with its package, and left out.
mkdir "$scratch/bin"
printf '#!/bin/sh\ncase "$*" in *tbb.cpp*) exit 1 ;; esac\nexec %s "$@"\n' "$(command -v c++)" \
    >"$scratch/bin/c++"
chmod +x "$scratch/bin/c++"
PATH=$scratch/bin:$PATH PEERS="tbb libc" ROUNDS=1 bash "$bench/compare.sh" >"$printed" \
    2>"$scratch/errors"
expect_run plain 1
grep -q 'tbb is left out.*libtbb-dev' "$scratch/errors" || fail "the missing package is not told"

# A program that fails is not passed over.
printf '#!/bin/sh\nexit 3\n' >"$scratch/bin/failing"
chmod +x "$scratch/bin/failing"
CELLS=$scratch/bin/failing PEERS=libc ROUNDS=1 bash "$bench/compare.sh" >"$printed" &&
    fail "compare.sh did not tell that a program failed"
exit 0
