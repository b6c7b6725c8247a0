# lib.sh - what the tests of the example programs share; sourced, not run
# SPDX-License-Identifier: MIT
# shellcheck shell=sh

# expect_output PROGRAM: run it, and compare all that it prints with standard input. It must exit
# with 0, stay silent on standard error, and be over within a minute.
expect_output() {
    scratch=$(mktemp -d) || exit 1
    trap 'rm -rf "$scratch"' EXIT
    cat >"$scratch/wanted"
    timeout 60 "$1" >"$scratch/printed" 2>"$scratch/errors"
    status=$?
    if [ "$status" -ne 0 ]; then
        echo "exit status $status, wanted 0 (124: it hung)"
        cat "$scratch/printed" "$scratch/errors"
        exit 1
    fi
    if [ -s "$scratch/errors" ]; then
        echo "unexpected on standard error:"
        cat "$scratch/errors"
        exit 1
    fi
    diff -u "$scratch/wanted" "$scratch/printed" || exit 1
}
