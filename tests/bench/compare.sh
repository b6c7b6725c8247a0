#!/usr/bin/env bash
# compare.sh - measures libcconc and the peers that are installed in turn, and prints the ratios
# SPDX-License-Identifier: MIT
#
# Usage: [ROUNDS=5] [SCALE=1] [CELL=name] [PIN=1] [HOGS=2] [PEERS="go tbb"] compare.sh
#
# ROUNDS   how often each program runs; they take turns, and the table has medians
# SCALE    multiplies every count; 0.3 is enough for most cells
# CELL     measures this cell alone
# PIN=1    all on one processor
# HOGS=N   beside N programs that only compute, each on one processor
# PEERS    these alone, of: tbb glib uv apr nsync libc go rust
# OUT      where the raw numbers go, default plain.tsv, pinned.tsv or hogs.tsv in BUILD
# CELLS    a program to measure instead of the library's release build
# BUILD    the folder for what is built, default build/bench
#
# Peers that cannot be built are told with the Debian
# packages that they need, and left out.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/bench/facts.sh
peers_folder=$PWD/tests/bench/peers
build=${BUILD:-$PWD/build/bench}
mkdir -p "$build"

mode=plain
if [ -n "${PIN:-}" ]; then
    mode=pinned
elif [ -n "${HOGS:-}" ]; then
    mode=hogs
fi
out=${OUT:-$build/$mode.tsv}

programs=()

# note_missing PEER PACKAGE...: this peer is left out.
note_missing() {
    local peer=$1
    shift
    echo "compare.sh: $peer is left out; it needs the Debian packages $*" >&2
}

is_wanted() {
    [ -z "${PEERS+set}" ] || [[ " $PEERS " == *" $1 "* ]]
}

# build_cpp PEER "PACKAGES" FLAG...: the flags are used as words.
build_cpp() {
    local peer=$1 packages=$2
    shift 2
    is_wanted "$peer" || return 0
    local source=$peers_folder/cpp/$peer.cpp program=$build/peer_$peer
    if [ "$program" -nt "$source" ] && [ "$program" -nt "$peers_folder/cpp/peer.hpp" ]; then
        programs+=("$program")
    elif c++ -std=c++17 -O2 -pthread "$source" -o "$program" "$@" >"$program.log" 2>&1; then
        programs+=("$program")
    else
        # The packages are words on purpose.
        # shellcheck disable=SC2086
        note_missing "$peer" g++ $packages
    fi
}

flags_of() {
    pkg-config --cflags --libs "$@" 2>/dev/null || true
}

build_go() {
    is_wanted go || return 0
    if (cd "$peers_folder/go" && GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS='' \
        GOCACHE="$build/go" go build -o "$build/peer_go" .) >"$build/peer_go.log" 2>&1; then
        programs+=("$build/peer_go")
    else
        note_missing go golang-go golang-golang-x-sync-dev golang-golang-x-time-dev
    fi
}

# Cargo writes beside its sources, so it gets a copy of them.
build_rust() {
    is_wanted rust || return 0
    mkdir -p "$build/rust"
    cp -R "$peers_folder/rust/." "$build/rust"
    if (cd "$build/rust" && cargo build --release --offline --target-dir "$build/rust/target") \
        >"$build/peer_rust.log" 2>&1; then
        programs+=("$build/rust/target/release/peer_rust")
    else
        note_missing rust cargo librust-crossbeam-channel-dev librust-crossbeam-dev \
            librust-flume-dev librust-rayon-dev
    fi
}

# The library as it is installed: -O2 -g, through its shared object.
build_library() {
    [ -f "$build/lib/build.ninja" ] ||
        meson setup "$build/lib" --buildtype=debugoptimized -Dexamples=disabled
    ninja -C "$build/lib" tests/bench/cells tests/bench/latency tests/bench/idle tests/bench/growth
}

hogs=()
stop_hogs() {
    local hog
    for hog in "${hogs[@]}"; do
        kill "$hog" 2>/dev/null || true
    done
}
trap stop_hogs EXIT

# A hog on each processor, and then the next round of them.
start_hogs() {
    local i
    for ((i = 0; i < ${HOGS:-0}; i++)); do
        taskset -c "$((i % $(nproc)))" bash -c 'while :; do :; done' &
        hogs+=($!)
    done
}

if [ -z "${CELLS:-}" ]; then
    build_library >"$build/library.log" 2>&1 || { tail -n 20 "$build/library.log" >&2; exit 1; }
fi
# The flags of pkg-config are words on purpose.
# shellcheck disable=SC2046
{
    build_cpp tbb libtbb-dev -ltbb
    build_cpp glib "libglib2.0-dev pkg-config" $(flags_of glib-2.0)
    build_cpp uv "libuv1-dev pkg-config" $(flags_of libuv)
    build_cpp apr "libapr1-dev libaprutil1-dev pkg-config" $(flags_of apr-1 apr-util-1)
    build_cpp nsync libnsync-dev -DNSYNC_ATOMIC_CPP11 -DNSYNC_USE_CPP11_TIMEPOINT -lnsync_cpp \
        -lnsync
    build_cpp libc ""
    build_go
    build_rust
}

pin=()
if [ -n "${PIN:-}" ]; then
    pin=(taskset -c 0)
fi
write_facts "$mode" >"$out"
start_hogs
status=0
for ((round = 0; round < ${ROUNDS:-5}; round++)); do
    "${pin[@]}" "${CELLS:-$build/lib/tests/bench/cells}" -v >>"$out" || status=$?
    for program in "${programs[@]}"; do
        "${pin[@]}" "$program" >>"$out" || { echo "compare.sh: $program failed" >&2; status=1; }
    done
done
stop_hogs
python3 tests/bench/table.py "$out"
exit "$status"
