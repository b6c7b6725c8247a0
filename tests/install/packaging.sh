#!/usr/bin/env bash
# packaging.sh - builds the library in ways that packagers do, and uses what comes of it.
# SPDX-License-Identifier: MIT
#
# Usage: packaging.sh WAY SOURCE_FOLDER BUILD_FOLDER
#
# layouts  a deep libdir, a libdir outside of the prefix; moved, uninstalled by ninja
# forms    only the archive, only the shared library; both in a subproject
# linkers  each linker keeps the versions of the symbols
# musl     an archive with musl, and a program with it
# dist     the tarball of meson dist builds, and passes a test
# twice    the same bytes come of it in another folder
# examples each example is built on the installed library by pkg-config, and passes its test
# words    codespell finds no misspelt word
set -euo pipefail

way=$1
source_folder=$2
build_folder=$3
source "$source_folder/tests/install/lib.sh"

# build_library FOLDER ARGUMENT...
build_library() {
    quietly meson setup "$scratch/$1" "${library_source:-$source_folder}" -Dtests=disabled \
        -Dexamples=disabled -Ddocs=disabled "${@:2}"
    quietly ninja -C "$scratch/$1"
}

# use_by_pkg_config shared|static COMPILER...
use_by_pkg_config() {
    local arguments=()
    if [ "$1" = static ]; then
        arguments=(--static)
    fi
    # The flags are words on purpose.
    # shellcheck disable=SC2046
    "${@:2}" "${flags[@]}" "$consumer" -o "$scratch/consumer" \
        $(pkg-config "${arguments[@]}" --cflags --libs libcconc)
    expect_form "$1" "$scratch/consumer"
    LD_LIBRARY_PATH=$lib_folder expect_consumer "$scratch/consumer"
}

# use_by_cmake shared|static CONFIGURATION_FOLDER TARGET...: there are these targets, no others.
use_by_cmake() {
    if ! command -v cmake >/dev/null; then
        echo "SKIPPED: cmake is not installed"
        return
    fi
    rm -rf "$scratch/app"
    mkdir "$scratch/app"
    cp "$consumer" "$scratch/app"
    cat >"$scratch/app/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.21)
project(app C)
find_package(cconc CONFIG REQUIRED PATHS "$2" NO_DEFAULT_PATH)
add_executable(consumer consumer.c)
target_link_libraries(consumer cconc::cconc)
get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
list(FILTER targets INCLUDE REGEX "^cconc::")
list(SORT targets)
if(NOT "\${targets}" STREQUAL "cconc::cconc;$(IFS=';'; echo "${*:3}")")
  message(FATAL_ERROR "the targets are \${targets}")
endif()
CMAKE
    quietly cmake -G Ninja -S "$scratch/app" -B "$scratch/app/out"
    quietly cmake --build "$scratch/app/out"
    expect_form "$1" "$scratch/app/out/consumer"
    expect_consumer "$scratch/app/out/consumer"
}

build_layouts() {
    build_library deep --prefix="$scratch/there" --libdir=lib/deep/er \
        -Dpkgconfig.relocatable=true -Doptimization=0
    quietly ninja -C "$scratch/deep" install
    mv "$scratch/there" "$scratch/moved"
    use_tree "$scratch/moved"
    unset PKG_CONFIG_SYSROOT_DIR
    use_by_pkg_config shared cc
    use_by_cmake shared "$lib_folder/cmake/cconc" cconc::shared cconc::static
    mv "$scratch/moved" "$scratch/there"
    quietly ninja -C "$scratch/deep" uninstall
    ! find "$scratch/there" 2>/dev/null | grep . || fail "uninstall left these"

    quietly meson configure "$scratch/deep" --prefix="$scratch/base" \
        --libdir="$scratch/elsewhere/lib" -Dpkgconfig.relocatable=false
    quietly ninja -C "$scratch/deep" install
    export PKG_CONFIG_LIBDIR=$scratch/elsewhere/lib/pkgconfig
    lib_folder=$scratch/elsewhere/lib
    use_by_pkg_config shared cc
    use_by_cmake shared "$lib_folder/cmake/cconc" cconc::shared cconc::static
}

build_forms() {
    local form
    for form in shared static; do
        build_library "$form" --prefix="$scratch/$form-tree" -Ddefault_library="$form" \
            -Doptimization=0
        quietly ninja -C "$scratch/$form" install
        use_tree "$scratch/$form-tree"
        unset PKG_CONFIG_SYSROOT_DIR
        use_by_pkg_config "$form" cc
        use_by_cmake "$form" "$lib_folder/cmake/cconc" "cconc::$form"
    done
    # Who links the archive of such a build without --static gets what it needs all the same.
    pkg-config --libs libcconc | grep -qw -e -pthread || fail "no -pthread in the .pc"
    build_subproject
}

build_subproject() {
    PKG_CONFIG_LIBDIR=$scratch/nowhere build_app parent
    expect_form shared "$scratch/parent/consumer"
    expect_consumer "$scratch/parent/consumer"
    expect_no_more_than_the_library "$scratch/parent"
}

# Some linkers refuse maps that others take; the versions must not get lost for that in silence.
try_linkers() {
    local compiler linker tried=0
    while read -r compiler linker; do
        if ! echo 'int main(void) { return 0; }' | "$compiler" "-fuse-ld=$linker" -x c - \
            -o "$scratch/probe" 2>/dev/null; then
            echo "SKIPPED: $compiler with $linker does not link here"
            continue
        fi
        CC=$compiler CC_LD=$linker build_library "$compiler-$linker" -Doptimization=0
        quietly python3 "$source_folder/tests/install/symbols.py" "$source_folder" \
            "$scratch/$compiler-$linker"/src/libcconc.{so,a}
        tried=$((tried + 1))
    done <<'PAIRS'
gcc bfd
gcc gold
clang-14 lld
clang-19 lld
PAIRS
    [ "$tried" -gt 0 ] || fail "no linker works"
}

build_with_musl() {
    command -v musl-gcc >/dev/null || skip "musl-gcc is not installed"
    CC=musl-gcc build_library musl --prefix="$scratch/tree" -Dwerror=true
    quietly ninja -C "$scratch/musl" install
    use_tree "$scratch/tree"
    unset PKG_CONFIG_SYSROOT_DIR
    use_by_pkg_config static musl-gcc -static
    use_by_pkg_config shared musl-gcc
}

build_dist() {
    local unpacked
    git -C "$source_folder" rev-parse >/dev/null 2>&1 || skip "this is no checkout of git"
    quietly meson setup "$scratch/dist" "$source_folder"
    quietly meson dist -C "$scratch/dist" --no-tests --allow-dirty --formats gztar
    tar -C "$scratch" -xf "$scratch/dist/meson-dist/cconc-$version.tar.gz"
    unpacked=$scratch/cconc-$version
    git -C "$source_folder" ls-tree -r --name-only HEAD | sort >"$scratch/expected"
    find "$unpacked" -not -type d -printf '%P\n' | sort | diff "$scratch/expected" - ||
        fail "the tarball has other files than the commit"
    quietly meson setup "$scratch/out" "$unpacked" -Dexamples=disabled -Ddocs=disabled
    quietly meson test -C "$scratch/out" process --suite unit
    quietly meson test -C "$scratch/out" files shared symbols --suite install
}

# With the one flag for it that packagers give.
build_twice() {
    local place
    for place in here and/over/there; do
        copy_source "$scratch/$place"
        library_source=$scratch/$place build_library "$place/out" \
            -Dc_args="-ffile-prefix-map=$scratch/$place=."
        DESTDIR=$scratch/$place/tree quietly meson install -C "$scratch/$place/out" --no-rebuild
    done
    [ -n "$(find "$scratch/here/tree" -name 'libcconc.so.*')" ] || fail "nothing was installed"
    diff -r "$scratch/here/tree" "$scratch/and/over/there/tree" ||
        fail "what is installed depends on the folder it was built in"
    diff "$scratch"/here/out/src/cconc.c "$scratch"/and/over/there/out/src/cconc.c ||
        fail "the amalgamation depends on the folder it was built in"
}

# What a program includes, and the package that has it.
other_packages() {
    local header package
    while read -r header package; do
        if grep -qs "#include <$header>" "$@"; then
            echo "$package"
        fi
    done <<'PACKAGES'
curl/curl.h libcurl
openssl/evp.h libcrypto
sqlite3.h sqlite3
zlib.h zlib
PACKAGES
}

# build_example NAME SOURCE...
build_example() {
    # shellcheck disable=SC2046
    quietly cc "${flags[@]}" -D_GNU_SOURCE "${@:2}" -o "$scratch/$1" \
        $(PKG_CONFIG_LIBDIR="$PKG_CONFIG_LIBDIR:$system_packages" pkg-config --cflags --libs \
            libcconc $(other_packages "${@:2}" "${2%/*}"/*.h))
    expect_form shared "$scratch/$1"
}

build_examples() {
    local source name tested=0 system_packages
    system_packages=$(pkg-config --variable pc_path pkg-config)
    build_library out --prefix="$scratch/tree"
    quietly ninja -C "$scratch/out" install
    use_tree "$scratch/tree"
    unset PKG_CONFIG_SYSROOT_DIR
    export LD_LIBRARY_PATH=$lib_folder
    for source in "$source_folder"/examples/*.c; do
        name=$(basename "$source" .c)
        build_example "$name" "$source"
        quietly bash "$source_folder/tests/examples/$name.sh" "$scratch/$name"
        tested=$((tested + 1))
    done
    for source in "$source_folder"/examples/tutorial/*.c; do
        name=$(basename "$source" .c)
        build_example "$name" "$source"
        quietly bash "$source_folder/tests/examples/tutorial.sh" "$scratch/$name" "$name" \
            "$source_folder/docs/tutorial.md"
        tested=$((tested + 1))
    done
    build_example treesum "$source_folder"/examples/treesum/*.c
    quietly bash "$source_folder/tests/examples/treesum.sh" "$scratch/treesum"
    echo "$((tested + 1)) examples"
}

# Words that it does not know, and those that it takes for others.
find_misspelt_words() {
    command -v codespell >/dev/null || skip "codespell is not installed"
    copy_source "$scratch/text"
    (cd "$scratch/text" && find . -type f -not -name '*.abi' -print0 |
        xargs -0 codespell --ignore-words-list=crate,deques,failer,fro,onces,te) ||
        fail "codespell takes these for misspelt"
}

case $way in
layouts) build_layouts ;;
forms) build_forms ;;
linkers) try_linkers ;;
musl) build_with_musl ;;
dist) build_dist ;;
twice) build_twice ;;
examples) build_examples ;;
words) find_misspelt_words ;;
*) fail "unknown way: $way" ;;
esac
