# lib.sh - sourced by the scripts of this folder: a scratch folder, an installed library, failing.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The script has set source_folder and build_folder.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
consumer=$source_folder/tests/install/consumer.c
version=$(python3 "$source_folder/src/tools/version.py" "$source_folder/include/cconc/version.h")
expected="$version 500500"
flags=(-std=c11 -Wall -Wextra -Wpedantic -Werror)

fail() {
    echo "$*" >&2
    exit 1
}

# What meson counts as skipped.
skip() {
    echo "SKIPPED: $*"
    exit 77
}

# quietly COMMAND...: what it prints is shown if it fails.
quietly() {
    "$@" >"$scratch/log" 2>&1 || fail "$(tail -n 60 "$scratch/log")
failed: $*"
}

# copy_source FOLDER: without build folders, and without git.
copy_source() {
    mkdir -p "$1"
    tar -C "$source_folder" --exclude=./.git --exclude='./build*' --exclude=__pycache__ -cf - . |
        tar -C "$1" -xf -
}

# The compilers that are here, of those that the library is tested with.
compilers() {
    local compiler
    for compiler in "$@"; do
        if command -v "$compiler" >/dev/null; then
            echo "$compiler"
        else
            echo "SKIPPED: $compiler is not installed" >&2
        fi
    done
}

# expect_consumer PROGRAM: runs it.
expect_consumer() {
    local output
    output=$("$@") || fail "$1 failed with status $?"
    [ "$output" = "$expected" ] || fail "$1 printed '$output', not '$expected'"
}

needs_shared_library() {
    readelf -d "$1" | grep -q 'NEEDED.*\[libcconc\.so\.'
}

# expect_form shared|static PROGRAM: does it use the library in this form?
expect_form() {
    if needs_shared_library "$2"; then
        [ "$1" = shared ] || fail "$2 uses the shared library"
    else
        [ "$1" = static ] || fail "$2 does not use the shared library"
    fi
}

# expect_no_more_than_the_library BUILD_FOLDER: a project that has the library as its subproject.
expect_no_more_than_the_library() {
    python3 - "$1" <<'PYTHON' || fail "the subproject configures more than the library"
import json
import subprocess
import sys


def introspect(what):
    return json.loads(subprocess.check_output(["meson", "introspect", what, sys.argv[1]]))


targets = {target["name"] for target in introspect("--targets")}
print(targets)
sys.exit(targets != {"cconc", "consumer"} or introspect("--tests") != [])
PYTHON
}

# install_from BUILD_FOLDER TREE: installs into the folder TREE, as a packager does. From a folder
# beside it, so that the log of the build folder still has what the user can uninstall.
install_from() {
    build_links=$2.build
    mkdir -p "$build_links/meson-logs"
    cp -R "$1/meson-private" "$build_links"
    ln -s "$1/src" "$1/docs" "$build_links"
    DESTDIR=$2 quietly meson install -C "$build_links" --no-rebuild
    use_tree "$2"
}

# use_tree TREE: pkg-config finds what is installed there, and nothing else. Sets prefix_folder,
# lib_folder and libdir, their difference.
use_tree() {
    local pc_file
    pc_file=$(find "$1" -name libcconc.pc)
    lib_folder=${pc_file%/pkgconfig/libcconc.pc}
    prefix_folder=$(find "$1" -path '*/include/cconc/cconc.h')
    prefix_folder=${prefix_folder%/include/cconc/cconc.h}
    libdir=${lib_folder#"$prefix_folder/"}
    export PKG_CONFIG_LIBDIR=${pc_file%/*} PKG_CONFIG_SYSROOT_DIR=$1
}

# build_app NAME ARGUMENT...: the same meson.build for both ways to have the library.
build_app() {
    mkdir -p "$scratch/app/subprojects"
    ln -sfn "$source_folder" "$scratch/app/subprojects/cconc"
    cp "$consumer" "$scratch/app"
    cat >"$scratch/app/meson.build" <<'MESON'
project('app', 'c', default_options: ['c_std=c11', 'warning_level=3', 'werror=true'])
executable('consumer', 'consumer.c', dependencies: dependency('libcconc', fallback: 'cconc'))
MESON
    quietly meson setup "$scratch/$1" "$scratch/app" "${@:2}"
    quietly ninja -C "$scratch/$1" consumer
}

# write_project FIND_PACKAGE_ARGUMENTS TARGET...: a project with a program named after each target.
write_project() {
    local target
    rm -rf "$scratch/app" "$scratch/out"
    mkdir "$scratch/app"
    cp "$consumer" "$scratch/app"
    {
        echo "cmake_minimum_required(VERSION 3.13)"
        echo "project(app C)"
        echo "find_package($1)"
        for target in "${@:2}"; do
            echo "add_executable(${target//:/_} consumer.c)"
            echo "target_link_libraries(${target//:/_} $target)"
        done
    } >"$scratch/app/CMakeLists.txt"
}

# expect_program TARGET FORM: was built in the folder out, uses the library in that form, and runs.
expect_program() {
    local program=$scratch/out/${1//:/_}
    expect_form "$2" "$program"
    expect_consumer "$program"
}
