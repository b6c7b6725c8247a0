#!/usr/bin/env bash
# readme.sh - compiles and runs the example of README.md, and compares what it prints.
# SPDX-License-Identifier: MIT
#
# Usage: readme.sh SOURCE_FOLDER SHARED_LIBRARY
set -euo pipefail

source_folder=$1
library_folder=$(dirname "$2")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

sed -n '/^```c$/,/^```$/{/^```/d;p}' "$source_folder/README.md" >"$scratch/readme.c"
cc -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I"$source_folder/include" \
    "$scratch/readme.c" -o "$scratch/readme" -L"$library_folder" -lcconc
LD_LIBRARY_PATH=$library_folder "$scratch/readme" >"$scratch/output"
diff - "$scratch/output" <<'EXPECTED'
sum of squares: 333833500
EXPECTED
