#!/usr/bin/env bash
# install.sh - installs the library into a folder and uses it from there, in many ways.
# SPDX-License-Identifier: MIT
#
# Usage: install.sh WAY SOURCE_FOLDER BUILD_FOLDER
#
# shared static  a program by pkg-config          relocatable  a .pc in a tree that was moved
# subproject     a program in Meson, by dependency('libcconc', fallback: 'cconc')
# dlopen ctypes  a program that loads the .so     cxx          a program in C++
# files          what is installed, and where     uninstall    nothing is left
set -euo pipefail

way=$1
source_folder=$2
build_folder=$3
source "$source_folder/tests/install/lib.sh"

# use_pkg_config shared|static
use_pkg_config() {
    local compiler
    install_from "$build_folder" "$scratch/tree"
    if [ "$1" = static ]; then
        flags+=(-static $(pkg-config --static --cflags libcconc))
        libs=($(pkg-config --static --libs libcconc))
    else
        flags+=($(pkg-config --cflags libcconc))
        libs=($(pkg-config --libs libcconc))
    fi
    for compiler in $(compilers gcc clang); do
        "$compiler" "${flags[@]}" "$consumer" -o "$scratch/consumer" "${libs[@]}"
        expect_form "$1" "$scratch/consumer"
        LD_LIBRARY_PATH=$lib_folder expect_consumer "$scratch/consumer"
    done
}

# The .pc is taken from a build with that option; the rest of it would be the same.
use_relocatable() {
    install_from "$build_folder" "$scratch/tree"
    quietly meson setup "$scratch/out" "$source_folder" -Dpkgconfig.relocatable=true \
        -Dtests=disabled -Dexamples=disabled -Ddocs=disabled --libdir="$libdir"
    cp "$scratch/out/meson-private/libcconc.pc" "$lib_folder/pkgconfig"
    mv "$prefix_folder" "$scratch/moved"
    use_tree "$scratch/moved"
    unset PKG_CONFIG_SYSROOT_DIR
    # shellcheck disable=SC2046
    cc "${flags[@]}" "$consumer" -o "$scratch/consumer" $(pkg-config --cflags --libs libcconc)
    LD_LIBRARY_PATH=$lib_folder expect_consumer "$scratch/consumer"
}

# The subproject as an archive, and the installed library before it.
use_subproject() {
    export PKG_CONFIG_LIBDIR=$scratch/nowhere
    build_app static -Dcconc:default_library=static
    expect_form static "$scratch/static/consumer"
    expect_consumer "$scratch/static/consumer"
    expect_no_more_than_the_library "$scratch/static"
    install_from "$build_folder" "$scratch/tree"
    build_app system
    [ ! -e "$scratch/system/subprojects" ] || fail "the subproject was built beside the system's"
    LD_LIBRARY_PATH=$lib_folder expect_consumer "$scratch/system/consumer"
}

# What the program is linked with does not have the library.
use_dlopen() {
    install_from "$build_folder" "$scratch/tree"
    cc "${flags[@]}" -I"$prefix_folder/include" "$source_folder/tests/install/dlopen.c" \
        -o "$scratch/dlopen" -ldl
    quietly "$scratch/dlopen" "$lib_folder/libcconc.so"
}

use_ctypes() {
    install_from "$build_folder" "$scratch/tree"
    quietly python3 "$source_folder/tests/install/ffi.py" "$lib_folder/libcconc.so"
}

use_cxx() {
    local compiler
    install_from "$build_folder" "$scratch/tree"
    for compiler in $(compilers g++ clang++); do
        # shellcheck disable=SC2046
        "$compiler" -std=c++17 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow \
            -Wundef -Wformat=2 -Wold-style-cast -Wzero-as-null-pointer-constant -Werror \
            "$source_folder/tests/install/raii.cpp" -o "$scratch/raii" \
            $(pkg-config --cflags --libs libcconc)
        LD_LIBRARY_PATH=$lib_folder quietly "$scratch/raii"
    done
}

# Kind, mode, path and target of everything that is installed; LIB is the folder of libraries.
expected_files() {
    find "$source_folder/include/cconc" -name '*.h' -printf 'f 644 include/cconc/%f\n'
    cat <<FILES
f 644 LIB/cmake/cconc/cconcConfig.cmake
f 644 LIB/cmake/cconc/cconcConfigVersion.cmake
f 644 LIB/cmake/libcconc/libcconcConfig.cmake
f 644 LIB/cmake/libcconc/libcconcConfigVersion.cmake
f 644 LIB/libcconc.a
l 777 LIB/libcconc.so libcconc.so.0
l 777 LIB/libcconc.so.0 libcconc.so.$version
f 755 LIB/libcconc.so.$version
f 644 LIB/pkgconfig/libcconc.pc
FILES
    if [ -e "$build_folder/docs/man" ]; then
        sed -n 's/^ *\(cconc_[a-z_]*\);$/f 644 share\/man\/man3\/\1.3/p' \
            "$source_folder/src/libcconc.map"
        printf 'f 644 share/man/man3/%s.3\n' CCONC_CHAN_BUFFER_SIZE CCONC_CHAN_DEFINE \
            CCONC_CHAN_OF CCONC_LIMITER_DEFINE CCONC_SEM_DEFINE
        find "$source_folder/docs/man" -name '*.7.md' -printf 'f 644 share/man/man7/%f\n' |
            sed 's/\.md$//'
    else
        echo "SKIPPED: the manual pages; pandoc is not installed, or -Ddocs=disabled" >&2
    fi
}

# A page that is a link leads to one that has its name.
check_manual() {
    local page link=$prefix_folder/share/man/man3/cconc_chan_free.3
    if [ -e "$link" ]; then
        page=$(sed -n 's/^\.so //p' "$link")
        grep -q 'cconc_chan_free' "${link%/*/*}/$page" || fail "$link leads nowhere: $page"
    fi
}

# Also: one version for all who read it.
check_files() {
    install_from "$build_folder" "$scratch/tree"
    expected_files | sort >"$scratch/expected"
    find "$prefix_folder" -not -type d -printf '%y %m %P %l\n' |
        sed "s| $libdir/| LIB/|; s/ \$//" | sort >"$scratch/found"
    diff "$scratch/expected" "$scratch/found" || fail "other files are installed than expected"
    find "$scratch/tree" -not -type d -not -path "$prefix_folder/*" | grep . &&
        fail "these are installed outside of the prefix"
    check_manual
    [ "$(pkg-config --modversion libcconc)" = "$version" ] || fail "libcconc.pc has another version"
    grep -qF "set(PACKAGE_VERSION \"$version\")" \
        "$lib_folder/cmake/cconc/cconcConfigVersion.cmake" ||
        fail "the CMake package has another version"
    grep -m 1 '^## ' "$source_folder/CHANGELOG.md" | grep -qF "## $version" ||
        fail "CHANGELOG.md does not begin with version $version"
}

check_uninstall() {
    install_from "$build_folder" "$scratch/tree"
    touch "$lib_folder/of_somebody_else"
    (cd "$build_links" && quietly meson --internal uninstall) # as ninja's target does
    find "$scratch/tree" -not -type d >"$scratch/left"
    echo "$lib_folder/of_somebody_else" | diff - "$scratch/left" || fail "uninstall left these"
}

case $way in
shared | static) use_pkg_config "$way" ;;
relocatable) use_relocatable ;;
subproject) use_subproject ;;
dlopen) use_dlopen ;;
ctypes) use_ctypes ;;
cxx) use_cxx ;;
files) check_files ;;
uninstall) check_uninstall ;;
*) fail "unknown way: $way" ;;
esac
