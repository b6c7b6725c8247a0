# cmocka.sh - sourced by tests/run.sh: cmocka for builds that the packaged one does not fit.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# It is compiled from Debian's source package, as that is.

# fetch_cmocka: the folder build/cmocka/cmocka-VERSION. The lists of source packages are its own, so
# that the system's settings stay as they are.
fetch_cmocka() {
    local here=$PWD/build/cmocka
    [ -f "$(echo "$here"/cmocka-*/src/cmocka.c)" ] && return
    rm -rf "$here"
    mkdir -p "$here/lists/partial"
    {
        local options=(-q -o Dir::Etc::SourceParts=- -o "Dir::Etc::SourceList=$here/sources.list"
            -o "Dir::State::lists=$here/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
        # What is in quotes is for apt-get.
        # shellcheck disable=SC2016
        apt-get indextargets --format 'deb-src $(SITE) $(RELEASE) $(COMPONENT)' 'Origin: Debian' \
            'Created-By: Packages' | sort -u >"$here/sources.list" &&
            apt-get "${options[@]}" update &&
            (cd "$here" && apt-get "${options[@]}" source cmocka) &&
            rm -rf "$here/lists"
    } >build/cmocka.log 2>&1
}

# can_have_cmocka LAYER: or the layer is skipped.
can_have_cmocka() {
    can_have "$1" dpkg-dev command -v dpkg-source || return
    if ! fetch_cmocka; then
        skip_layer "$1" "the source package of cmocka cannot be had, see build/cmocka.log"
        return 1
    fi
}

# build_cmocka FOLDER AR COMPILER FLAG...: libcmocka.a, and the cmocka.pc that names it.
build_cmocka() {
    local folder=$1 archiver=$2 source
    shift 2
    source=$(echo "$PWD"/build/cmocka/cmocka-*/src)
    source=${source%/src}
    rm -rf "$folder"
    mkdir -p "$folder" &&
        "$@" -O1 -w -D_GNU_SOURCE -DHAVE_CLOCK_GETTIME -DHAVE_GCC_THREAD_LOCAL_STORAGE \
            -DHAVE_INTTYPES_H -DHAVE_MALLOC_H -DHAVE_SIGNAL_H -DHAVE_STRINGS_H -DHAVE_STRSIGNAL \
            -DHAVE_STRUCT_TIMESPEC -DHAVE_UNISTD_H "-I$source/include" \
            -c "$source/src/cmocka.c" -o "$folder/cmocka.o" &&
        "$archiver" rcs "$folder/libcmocka.a" "$folder/cmocka.o" &&
        cat >"$folder/cmocka.pc" <<PC
Name: cmocka
Description: compiled by $*
Version: ${source##*-}
Cflags: -isystem $source/include
Libs: $folder/libcmocka.a
PC
}
