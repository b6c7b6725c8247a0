#!/usr/bin/env bash
# amalgamation.sh - what cconc.c and cconc.h promise: the same bytes, one command, its own names.
# SPDX-License-Identifier: MIT
#
# Usage: amalgamation.sh same|names|prefix|inside|compile SOURCE_FOLDER FOLDER COMPILER [FLAG...]
#
# FOLDER has the two files.
set -euo pipefail

what=$1
source_folder=$2
folder=$3
compiler=$4
flags=(-std=c11 -Wall -Wextra -Werror "${@:5}")
tests=$source_folder/tests/amalgamation
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "$*" >&2
    exit 1
}

# compile OBJECT SOURCE FLAG...
compile() {
    "$compiler" "${flags[@]}" -I"$folder" "${@:3}" -c "$2" -o "$scratch/$1.o"
}

defined_names() {
    nm -g --defined-only "$scratch/$1.o" | awk '{print $3}' | sort
}

# Written again from here, and from a copy of the tree that lies elsewhere.
check_same() {
    local file
    python3 "$source_folder/src/tools/amalgamate.py" "$scratch/here"
    cp -R "$source_folder"/{LICENSE,include,src} "$scratch"
    (cd "$scratch" && python3 src/tools/amalgamate.py there)
    for file in cconc.c cconc.h; do
        cmp "$folder/$file" "$scratch/here/$file"
        cmp "$folder/$file" "$scratch/there/$file"
        if grep -n '^# *line\|^# *include "[^"]*/\|^# *include <cconc' "$folder/$file"; then
            fail "$file needs other files"
        fi
    done
}

# The object defines what the shared library exports, no more; the header is C99 and C++11 as well.
check_names() {
    compile cconc "$folder/cconc.c"
    sed -n 's/^ *\(cconc_.*\);$/\1/p' "$source_folder/src/libcconc.map" | sort |
        diff - <(defined_names cconc) || fail "other names are defined than are public"
    flags=(-Wall -Wextra -Wpedantic -Werror)
    echo '#include "cconc.h"' >"$scratch/use.c"
    compile use_c99 "$scratch/use.c" -std=c99
    compiler=c++ compile use_cpp "$scratch/use.c" -x c++ -std=c++11
}

run_copies() {
    "$compiler" "${flags[@]}" "$tests/copies.c" "$scratch"/*.o -pthread -o "$scratch/copies"
    [ "$("$scratch/copies")" = ok ] || fail "the copies disturb each other"
}

# Each copy is an object of its own; their public names differ by the prefix.
check_prefix() {
    local name
    for name in left right; do
        compile "cconc_$name" "$folder/cconc.c" -DCCONC_PREFIX="${name}_"
        compile "$name" "$tests/copy.c" -DCCONC_PREFIX="${name}_" -DCOPY="$name"
        sed -n "s/^ *\(cconc_.*\);$/${name}_\1/p" "$source_folder/src/libcconc.map" | sort |
            diff - <(defined_names "cconc_$name") || fail "a name is without the prefix"
    done
    run_copies
}

# Each copy is inside the one source file that uses it, and gives the linker no name.
check_inside() {
    local name
    for name in left right; do
        compile "$name" "$tests/copy.c" -DCOPY_INSIDE -DCOPY="$name"
        [ "$(defined_names "$name")" = "$name" ] || fail "an included copy defines names"
    done
    run_copies
}

command -v "$compiler" >/dev/null || exit 77
case $what in
same) check_same ;;
names) check_names ;;
prefix) check_prefix ;;
inside) check_inside ;;
compile) compile cconc "$folder/cconc.c" ;;
*) fail "unknown: $what" ;;
esac
