# lib.sh - sourced by the tests of the benchmarks
# SPDX-License-Identifier: MIT
# shellcheck shell=bash
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bench=$(dirname "$here")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "$*" >&2
    exit 1
}

# expect_same EXPECTED FOUND WHAT
expect_same() {
    diff "$1" "$2" >&2 || fail "$3"
}

# expect_numbers FILE FIELDS: each line has so many fields, numbers from the third on, and above 0
# in the third.
expect_numbers() {
    awk -F '\t' -v fields="$2" '
        NF != fields { print FILENAME ":" NR ": " NF " fields, not " fields; bad = 1 }
        { for (k = 3; k <= NF; k++) if ($k !~ /^[0-9]+(\.[0-9]+)?$/) {
              print FILENAME ":" NR ": not a number: " $k; bad = 1 } }
        !($3 > 0) { print FILENAME ":" NR ": no time"; bad = 1 }
        END { exit bad }' "$1" >&2 || fail "the lines are not as they should be"
}
