#!/usr/bin/env bash
# cmake.sh - uses the installed library from CMake projects, and asks for what must be refused.
# SPDX-License-Identifier: MIT
#
# Usage: cmake.sh WAY SOURCE_FOLDER BUILD_FOLDER
#
# targets   programs with cconc::cconc, cconc::shared and cconc::static; the other name, libcconc
# versions  which versions and sizes of pointers are refused
# moved     the tree is elsewhere than it was installed, and reached through links
set -euo pipefail

way=$1
source_folder=$2
build_folder=$3
source "$source_folder/tests/install/lib.sh"
command -v cmake >/dev/null || skip "cmake is not installed"

# configure ARGUMENT...: the package must be the scratch folder's, not that of the system.
configure() {
    cmake -G Ninja -S "$scratch/app" -B "$scratch/out" "$@" &&
        grep "^\(lib\)\?cconc_DIR:PATH=$scratch/" "$scratch/out/CMakeCache.txt"
}

use_targets() {
    write_project "cconc $version CONFIG REQUIRED" cconc::cconc cconc::shared cconc::static
    quietly configure -DCMAKE_PREFIX_PATH="$prefix_folder"
    quietly cmake --build "$scratch/out"
    expect_program cconc::cconc shared
    expect_program cconc::shared shared
    expect_program cconc::static static
    write_project "libcconc $version CONFIG REQUIRED COMPONENTS static" cconc::static
    quietly configure -DCMAKE_PREFIX_PATH="$prefix_folder"
    write_project "cconc CONFIG REQUIRED COMPONENTS dynamic" cconc::shared
    ! configure -DCMAKE_PREFIX_PATH="$prefix_folder" >"$scratch/log" 2>&1 ||
        fail "a component that there is not is found"
    grep -q 'cconc::dynamic is not installed' "$scratch/log" || fail "$(cat "$scratch/log")"
}

# finds ARGUMENTS: does find_package(cconc ARGUMENTS) find version 2.1.3? The version file tells.
# A script is fast, but has no compiler that says what pointers there are.
finds() {
    cat >"$scratch/find.cmake" <<CMAKE
cmake_minimum_required(VERSION 3.19)
set(CMAKE_SIZEOF_VOID_P $pointer_size)
find_package(cconc $1 CONFIG REQUIRED PATHS "$scratch/only" NO_DEFAULT_PATH)
CMAKE
    cmake -P "$scratch/find.cmake" >"$scratch/found" 2>&1
}

# The installed file, as if it were of 2.1.3, which has an older major version, too.
check_versions() {
    local asked pointer_size
    pointer_size=$(getconf LONG_BIT)
    pointer_size=$((pointer_size / 8))
    mkdir "$scratch/only"
    touch "$scratch/only/cconcConfig.cmake"
    sed "s/\"$version\"/\"2.1.3\"/; s/MAJOR EQUAL ${version%%.*}/MAJOR EQUAL 2/" \
        "$lib_folder/cmake/cconc/cconcConfigVersion.cmake" >"$scratch/only/cconcConfigVersion.cmake"
    for asked in "" 2 2.1 2.0.9 2.1.3 "2.1.3 EXACT" 2...2.1.3 2...3 "2...<3" 2.1.3...2.9; do
        finds "$asked" || fail "find_package(cconc $asked) finds nothing: $(cat "$scratch/found")"
    done
    for asked in 2.1.4 2.2 1 1.9 3 "2 EXACT" 1...3 3...4 "2...<2.1.3" 2...2.1.2; do
        ! finds "$asked" || fail "find_package(cconc $asked) finds 2.1.3"
    done
    pointer_size=$((12 - pointer_size))
    ! finds "" || fail "a program with pointers of $pointer_size bytes finds the library"
}

check_moved() {
    mv "$prefix_folder" "$scratch/moved"
    ln -s "$scratch/moved/${libdir%%/*}" "$scratch/lib"
    write_project "cconc CONFIG REQUIRED" cconc::cconc cconc::static
    quietly configure -Dcconc_DIR:PATH="$scratch/lib${libdir#"${libdir%%/*}"}/cmake/cconc"
    quietly cmake --build "$scratch/out"
    expect_program cconc::cconc shared
    expect_program cconc::static static
}

install_from "$build_folder" "$scratch/tree"
case $way in
targets) use_targets ;;
versions) check_versions ;;
moved) check_moved ;;
*) fail "unknown way: $way" ;;
esac
