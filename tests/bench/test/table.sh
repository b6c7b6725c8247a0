#!/usr/bin/env bash
# table.sh - table.py takes medians, finds the best peer, marks what is behind and what is wasteful
# SPDX-License-Identifier: MIT
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

golden=$here/golden
python3 "$bench/table.py" "$golden/results.tsv" >"$scratch/table.txt"
expect_same "$golden/table.txt" "$scratch/table.txt" "the table is another"
python3 "$bench/table.py" --markdown "$golden/results.tsv" >"$scratch/table.md"
expect_same "$golden/table_markdown.txt" "$scratch/table.md" "the table for documents is another"

printf 'sem_1t\tlibcconc\t12\n' >"$scratch/short.tsv"
python3 "$bench/table.py" "$scratch/short.tsv" 2>"$scratch/errors" &&
    fail "a line without processor time was taken"
grep -q 'short.tsv:1: not cell, peer, ns, cpu_ns' "$scratch/errors" ||
    fail "the faulty line was not told: $(cat "$scratch/errors")"
