#!/usr/bin/env bash
# plot.sh - plot tells gnuplot all bars and curves, and gnuplot makes pictures of them
# SPDX-License-Identifier: MIT
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

golden=$here/golden
"$bench/plot" --script "$golden/results.tsv" F >"$scratch/script.txt"
"$bench/plot" --script --growth "$golden/growth.tsv" F >>"$scratch/script.txt"
expect_same "$golden/plot.txt" "$scratch/script.txt" "gnuplot would be told something else"

if ! command -v gnuplot >"$scratch/found"; then
    echo "the pictures were not made: gnuplot is missing (Debian package gnuplot-nox)"
    exit 77
fi
"$bench/plot" "$golden/results.tsv" "$scratch"
"$bench/plot" --growth "$golden/growth.tsv" "$scratch"
for part in channels tasks contexts limits objects growth bytes; do
    grep -q '</svg>' "$scratch/$part.svg" || fail "$part.svg is no picture"
done
[ ! -e "$scratch/select.svg" ] || fail "there is a picture of cells that were not measured"
