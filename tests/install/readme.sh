#!/usr/bin/env bash
# readme.sh - does what a block of README.md says, and compares what its example then prints.
# SPDX-License-Identifier: MIT
#
# Usage: readme.sh c|sh|make|cmake|meson SOURCE_FOLDER BUILD_FOLDER
set -euo pipefail

kind=$1
source_folder=$2
build_folder=$3
source "$source_folder/tests/install/lib.sh"
expected="sum of squares: 333833500"

# print_block KIND: the block of README in that language.
print_block() {
    sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/{/^\`\`\`/d;p}" "$source_folder/README.md" | grep . ||
        fail "README has no block of $1"
}

install_from "$build_folder" "$scratch/tree"
export LD_LIBRARY_PATH=$lib_folder
mkdir "$scratch/app"
cd "$scratch/app"
print_block c >app.c

case $kind in
c)
    cc -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror \
        -I"$prefix_folder/include" app.c -o app -L"$lib_folder" -lcconc
    expect_consumer ./app
    ;;
sh) # a command a line, each of which makes the program
    print_block sh >commands
    while read -r line; do
        rm -f app
        quietly bash -c "$line"
        expect_consumer ./app
    done <commands
    ;;
make)
    command -v make >/dev/null || skip "make is not installed"
    print_block make >Makefile
    quietly make
    expect_consumer ./app
    ;;
cmake)
    command -v cmake >/dev/null || skip "cmake is not installed"
    print_block cmake >CMakeLists.txt
    quietly cmake -G Ninja -DCMAKE_PREFIX_PATH="$prefix_folder" .
    quietly cmake --build .
    expect_consumer ./app
    ;;
meson)
    print_block meson >meson.build
    quietly meson setup build
    quietly ninja -C build
    expect_consumer build/app
    ;;
esac
