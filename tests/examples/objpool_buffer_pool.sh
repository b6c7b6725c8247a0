#!/bin/sh
# objpool_buffer_pool.sh - every line comes out in order, in upper case, and no buffer is lost
# SPDX-License-Identifier: MIT
# What the figures are is not checked, only that there are two.
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

i=0
while [ "$i" -lt 2000 ]; do
    echo "line $i of the text"
    i=$((i + 1))
done >"$scratch/text"
tr '[:lower:]' '[:upper:]' <"$scratch/text" >"$scratch/wanted"

timeout 60 "$1" "$scratch/text" >"$scratch/printed" 2>"$scratch/figures" || {
    echo "exit status $?, wanted 0 (124: it hung)"
    cat "$scratch/figures"
    exit 1
}
diff -u "$scratch/wanted" "$scratch/printed" || exit 1
grep -q '^a line: [0-9]* ns with the object pool, [0-9]* ns with malloc; 0 lent$' \
    "$scratch/figures" || {
    cat "$scratch/figures"
    exit 1
}
