#!/usr/bin/env bash
# demo.sh - builds libcconc and takes the SHA-256 of every file below a folder with treesum.
# SPDX-License-Identifier: MIT
#
# Usage: ./examples/demo.sh [DIR]       DIR is /usr/include if not given
set -euo pipefail

if [ $# -gt 1 ] || [ "${1:-}" = --help ]; then
    sed -n '5s/^# //p' "$0"
    exit $(($# > 1 ? 2 : 0))
fi
here=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source src/tools/packages.sh

dir=${1:-/usr/include}
if [ "${dir#/}" = "$dir" ]; then
    dir=$here/$dir
fi
mkdir -p build
need_build_tools
install_missing_packages build/packages.log

echo "Building treesum in build/"
if ! { { [ -f build/build.ninja ] || meson setup build; } &&
       meson configure build -Dexamples=auto && ninja -C build examples/treesum; } \
       </dev/null >build/demo.log 2>&1; then
    tail -n 40 build/demo.log >&2
    echo "The build failed; build/demo.log has all of it." >&2
    exit 1
fi

echo "Hashing every file below $dir; the digests go to build/treesum.sha256"
exec build/examples/treesum "$dir" >build/treesum.sha256
