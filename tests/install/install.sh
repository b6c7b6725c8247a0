#!/usr/bin/env bash
# install.sh - installs the library and uses it in each way that README names.
# SPDX-License-Identifier: MIT
#
# Usage: install.sh shared|static|subproject|files SOURCE_FOLDER BUILD_FOLDER
set -euo pipefail

way=$1
source_folder=$2
build_folder=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
version=$(python3 "$source_folder/src/tools/version.py" "$source_folder/include/cconc/version.h")
expected="$version 500500"
flags=(-std=c11 -Wall -Wextra -Wpedantic -Werror)
consumer=$source_folder/tests/install/consumer.c

fail() {
    echo "$*" >&2
    exit 1
}

expect_output() {
    local output
    output=$("$@") || fail "the consumer failed with status $?"
    [ "$output" = "$expected" ] || fail "the consumer printed '$output', not '$expected'"
}

install_library() {
    DESTDIR=$scratch meson install -C "$build_folder" --no-rebuild >"$scratch/install.log" ||
        fail "$(cat "$scratch/install.log")"
    pc_file=$(find "$scratch" -name libcconc.pc)
    lib_folder=$(dirname "$(dirname "$pc_file")")
    export PKG_CONFIG_LIBDIR=${pc_file%/*} PKG_CONFIG_SYSROOT_DIR=$scratch
}

needs_shared_library() {
    readelf -d "$1" | grep -q 'NEEDED.*\[libcconc\.so\.'
}

use_shared() {
    install_library
    # The flags are words on purpose.
    # shellcheck disable=SC2046
    cc "${flags[@]}" "$consumer" -o "$scratch/consumer" $(pkg-config --cflags --libs libcconc)
    needs_shared_library "$scratch/consumer" || fail "the consumer does not use the shared library"
    export LD_LIBRARY_PATH=$lib_folder
    expect_output "$scratch/consumer"
}

use_static() {
    install_library
    # shellcheck disable=SC2046
    cc "${flags[@]}" -static "$consumer" -o "$scratch/consumer" \
        $(pkg-config --static --cflags --libs libcconc)
    needs_shared_library "$scratch/consumer" && fail "the consumer uses the shared library"
    expect_output "$scratch/consumer"
}

use_subproject() {
    mkdir -p "$scratch/app/subprojects/cconc"
    cp -R "$source_folder"/{meson.build,meson_options.txt,include,src} \
        "$scratch/app/subprojects/cconc"
    cp "$consumer" "$scratch/app"
    cat >"$scratch/app/meson.build" <<'MESON'
project('app', 'c', default_options: ['c_std=c11', 'warning_level=3', 'werror=true'])
executable('consumer', 'consumer.c', dependencies: dependency('libcconc', fallback: 'cconc'))
MESON
    export PKG_CONFIG_LIBDIR=$scratch
    { meson setup "$scratch/out" "$scratch/app" && ninja -C "$scratch/out"; } \
        >"$scratch/build.log" 2>&1 || fail "$(cat "$scratch/build.log")"
    expect_output "$scratch/out/consumer"
}

# Exactly the headers of the tree, three names of the shared library, the archive, the .pc file; and
# where pandoc has made them the manual pages, a page or a link for each name that one has.
check_files() {
    install_library
    { find "$source_folder/include" -name '*.h' -printf '%P\n'
      printf '%s\n' libcconc.a libcconc.pc libcconc.so libcconc.so.0 "libcconc.so.$version"; } |
        sed 's/.*\///' | sort >"$scratch/expected"
    find "$scratch" -not -type d -path '*/usr/*' -not -path '*/man/*' -printf '%f\n' | sort \
        >"$scratch/found"
    diff "$scratch/expected" "$scratch/found" || fail "other files are installed than expected"
    [ "$(pkg-config --modversion libcconc)" = "$version" ] || fail "libcconc.pc has another version"
    check_manual
    grep -m 1 '^## ' "$source_folder/CHANGELOG.md" | grep -qF "## $version" ||
        fail "CHANGELOG.md does not begin with version $version"
}

check_manual() {
    local page link
    if [ ! -e "$build_folder/docs/man" ]; then
        echo "SKIPPED: the manual pages; pandoc is not installed, or -Ddocs=disabled"
        return
    fi
    { sed -n 's/^ *\(cconc_[a-z_]*\);$/\1.3/p' "$source_folder/src/libcconc.map"
      echo CCONC_CHAN_OF.3
      find "$source_folder/docs/man" -name '*.7.md' -printf '%f\n' | sed 's/\.md$//'; } |
        sort >"$scratch/expected"
    find "$scratch" -not -type d -path '*/man/*' -printf '%f\n' | sort >"$scratch/found"
    diff "$scratch/expected" "$scratch/found" || fail "other manual pages than expected"
    link=$(find "$scratch" -name cconc_chan_free.3)
    page=$(sed -n 's/^\.so //p' "$link")
    grep -q 'cconc_chan_free' "${link%/*/*}/$page" || fail "$link leads nowhere: $page"
}

case $way in
shared) use_shared ;;
static) use_static ;;
subproject) use_subproject ;;
files) check_files ;;
*) fail "unknown way: $way" ;;
esac
