#!/bin/sh
# objpool_buffer_pool.sh - every line comes out in order, in upper case, and no buffer is lost
# SPDX-License-Identifier: MIT
# How long it took is not checked, only that it is told. Each line is lent twice, and one more at
# each end. No more buffers are made than channels, tasks and the printer's cache hold, and for each
# pass one that the long line has spoilt.
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

i=0
while [ "$i" -lt 2000 ]; do
    echo "line $i of the text"
    i=$((i + 1))
    if [ "$i" -eq 1000 ]; then
        head -c 100000 /dev/zero | tr '\0' x
        printf '\nzero:\0 and no newline before the '
    fi
done >"$scratch/text"
printf end >>"$scratch/text"
tr '[:lower:]' '[:upper:]' <"$scratch/text" >"$scratch/wanted"

timeout 60 "$1" "$scratch/text" >"$scratch/printed" 2>"$scratch/figures" || {
    echo "exit status $?, wanted 0 (124: it hung)"
    cat "$scratch/figures"
    exit 1
}
cmp "$scratch/wanted" "$scratch/printed" || exit 1
figures='^a line: [0-9]* ns with the object pool, [0-9]* ns with malloc$'
counts='^4006 buffers lent, [0-9]* made, 2 became too large, 0 still lent$'
if ! grep -q "$figures" "$scratch/figures" || ! grep -q "$counts" "$scratch/figures"; then
    cat "$scratch/figures"
    exit 1
fi
made=$(sed -n 's/.* lent, \([0-9]*\) made.*/\1/p' "$scratch/figures")
if [ "$made" -lt 3 ] || [ "$made" -gt 150 ]; then
    echo "$made buffers made"
    exit 1
fi

"$1" "$scratch/missing" >"$scratch/printed" 2>"$scratch/figures"
status=$?
if [ "$status" -ne 1 ] || ! grep -q 'missing: No such file or directory$' "$scratch/figures"; then
    echo "a missing file: status $status"
    cat "$scratch/figures"
    exit 1
fi
echo small >"$scratch/small"
for file in text small; do
    "$1" "$scratch/$file" >/dev/full 2>"$scratch/figures"
    status=$?
    if [ "$status" -ne 1 ] || ! grep -q 'No space left on device$' "$scratch/figures"; then
        echo "a full disk: status $status"
        cat "$scratch/figures"
        exit 1
    fi
done
