#!/usr/bin/env bash
# debian.sh - builds Debian packages in a copy of the tree, and uses them without installing them.
# SPDX-License-Identifier: MIT
#
# Usage: debian.sh SOURCE_FOLDER BUILD_FOLDER
#
# The copy and the packages are left in BUILD_FOLDER/debian.
set -euo pipefail

source_folder=$1
build_folder=$2
source "$source_folder/tests/install/lib.sh"
for tool in dh dpkg-buildpackage fakeroot lintian pandoc; do
    command -v "$tool" >/dev/null || skip "$tool is not installed"
done
place=$build_folder/debian
tree=$place/libcconc-$version
abi=$(sed -n 's/^#define CCONC_ABI_VERSION //p' "$source_folder/include/cconc/version.h")

# What a tarball has, and docs/packaging/debian where dpkg-buildpackage wants it.
make_tree() {
    rm -rf "$place"
    copy_source "$tree"
    cp -R "$tree/docs/packaging/debian" "$tree/debian"
}

# The unit tests are other layers' business. The compiler and flags of whoever runs this are not
# those of Debian.
build_packages() {
    (
        cd "$tree"
        unset CC CFLAGS CPPFLAGS LDFLAGS DESTDIR
        DEB_BUILD_OPTIONS="nocheck parallel=2" DEB_BUILD_PROFILES=nocheck \
            quietly dpkg-buildpackage -us -uc -b
    )
}

check_packages() {
    quietly lintian --fail-on warning,error --tag-display-limit 0 "$place"/*.changes
}

# extract FOLDER PACKAGE...: as if they were installed into the folder.
extract() {
    local package
    for package in "${@:2}"; do
        dpkg -x "$place/${package}_${version}_$(dpkg --print-architecture).deb" "$1"
    done
}

# The commands of autopkgtest, with the packages in a folder instead of the system. What runs has
# the folder of libcconcN alone to find its library in.
run_autopkgtests() {
    local root=$place/root runtime=$place/runtime command count=0
    extract "$runtime" "libcconc$abi"
    extract "$root" "libcconc$abi" libcconc-dev
    find "$root" -xtype l | grep . && fail "these links of the packages lead nowhere"
    use_tree "$root"
    while read -r command; do
        echo "$command"
        # The command is words on purpose.
        # shellcheck disable=SC2086
        (cd "$tree" && CMAKE_PREFIX_PATH=$root/usr LD_LIBRARY_PATH=$runtime/usr/$libdir \
            quietly $command)
        count=$((count + 1))
    done < <(sed -n 's/^Test-Command: //p' "$tree/debian/tests/control")
    [ "$count" -gt 0 ] || fail "debian/tests/control has no tests"
}

make_tree
build_packages
check_packages
run_autopkgtests
