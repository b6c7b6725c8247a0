#!/usr/bin/env bash
# use.sh - builds and runs a program with the installed packages.
# SPDX-License-Identifier: MIT
#
# Usage: bash debian/tests/use.sh WAY, in the folder of the sources
#
# shared static  by pkg-config      cmake  by find_package      meson  by dependency
set -euo pipefail

way=$1
source_folder=$PWD
source tests/install/lib.sh

# use_pkg_config shared|static
use_pkg_config() {
    local arguments=() form=()
    if [ "$1" = static ]; then
        arguments=(--static)
        form=(-static)
    fi
    # The flags are words on purpose.
    # shellcheck disable=SC2046
    cc "${flags[@]}" "${form[@]}" "$consumer" -o "$scratch/consumer" \
        $(pkg-config "${arguments[@]}" --cflags --libs libcconc)
    expect_form "$1" "$scratch/consumer"
    expect_consumer "$scratch/consumer"
}

use_cmake() {
    write_project "cconc $version CONFIG REQUIRED" cconc::cconc cconc::static
    quietly cmake -G Ninja -S "$scratch/app" -B "$scratch/out"
    quietly cmake --build "$scratch/out"
    expect_program cconc::cconc shared
    expect_program cconc::static static
}

# The sources are there as a subproject, too; the package comes first.
use_meson() {
    build_app out
    [ ! -e "$scratch/out/subprojects" ] || fail "the subproject was built beside the package"
    expect_form shared "$scratch/out/consumer"
    expect_consumer "$scratch/out/consumer"
}

case $way in
shared | static) use_pkg_config "$way" ;;
cmake) use_cmake ;;
meson) use_meson ;;
*) fail "unknown way: $way" ;;
esac
