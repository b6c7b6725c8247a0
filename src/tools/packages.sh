# packages.sh - sourced by scripts that install what a fresh Debian machine lacks.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash
missing_packages=()

# need PACKAGE COMMAND...: PACKAGE is missing if COMMAND fails.
need() {
    local package=$1
    shift
    if ! "$@" </dev/null >/dev/null 2>&1; then
        missing_packages+=("$package")
    fi
}

has_header() {
    echo "#include <$1>" | cc -E -x c -
}

# The compiler and the build system, which every script needs.
need_build_tools() {
    need meson command -v meson
    need ninja-build command -v ninja
    need gcc command -v cc
    need libc6-dev has_header stdlib.h
    need pkg-config command -v pkg-config
    need libssl-dev pkg-config --exists libcrypto
    need python3 command -v python3
}

# Install the missing packages, or say why that cannot be done and exit with status 1.
install_missing_packages() {
    local as_root=()
    if [ ${#missing_packages[@]} -eq 0 ]; then
        return
    fi
    if ! command -v apt-get >/dev/null; then
        echo "These are missing: ${missing_packages[*]} (names of Debian packages)." >&2
        echo "This system has no apt-get; install them with its own package manager." >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "These Debian packages are missing: ${missing_packages[*]}." >&2
            echo "Installing them needs root, and there is no sudo." >&2
            exit 1
        fi
        as_root=(sudo)
    fi
    echo "Installing with apt-get: ${missing_packages[*]}"
    if ! { "${as_root[@]}" apt-get -q update &&
           "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
               apt-get -q install -y --no-install-recommends "${missing_packages[@]}"; } \
           </dev/null >"$1" 2>&1; then
        cat "$1" >&2
        echo "apt-get could not install: ${missing_packages[*]}" >&2
        exit 1
    fi
    missing_packages=()
    hash -r
}
