# arches.sh - sourced by tests/run.sh: the tests with another C library and on other machines.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
#
# Programs for another machine are linked for the libraries where Debian's cross compilers have
# them, and run by qemu if they do not run as they are. What they start themselves runs by EMULATOR.

# Name, compiler, qemu, meson's name of the processor, byte order, dynamic linker, packages.
machines=(
    "musl|musl-gcc||x86_64|little||musl-tools"
    "i686|i686-linux-gnu-gcc|qemu-i386-static|x86|little|i686-linux-gnu/lib/ld-linux.so.2\
|gcc-i686-linux-gnu libc6-dev-i386-cross"
    "armhf|arm-linux-gnueabihf-gcc|qemu-arm-static|arm|little\
|arm-linux-gnueabihf/lib/ld-linux-armhf.so.3|gcc-arm-linux-gnueabihf libc6-dev-armhf-cross"
    "aarch64|aarch64-linux-gnu-gcc|qemu-aarch64-static|aarch64|little\
|aarch64-linux-gnu/lib/ld-linux-aarch64.so.1|gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    "riscv64|riscv64-linux-gnu-gcc|qemu-riscv64-static|riscv64|little\
|riscv64-linux-gnu/lib/ld-linux-riscv64-lp64d.so.1|gcc-riscv64-linux-gnu libc6-dev-riscv64-cross"
    "s390x|s390x-linux-gnu-gcc|qemu-s390x-static|s390x|big\
|s390x-linux-gnu/lib/ld64.so.1|gcc-s390x-linux-gnu libc6-dev-s390x-cross"
    "powerpc|powerpc-linux-gnu-gcc|qemu-ppc-static|ppc|big\
|powerpc-linux-gnu/lib/ld.so.1|gcc-powerpc-linux-gnu libc6-dev-powerpc-cross"
)

# make_machine NAME COMPILER QEMU PROCESSOR ORDER LINKER: cmocka for it, and its cross file.
make_machine() {
    local name=$1 compiler=$2 emulator=$3 linker=${6:+/usr/$6} folder=$PWD/build/machines/$1
    local tools="" wrapped=false arguments="" link_arguments=""
    if [ "$compiler" != musl-gcc ]; then
        tools=${compiler%gcc}
    fi
    if [ -n "$emulator" ]; then
        wrapped=true
    fi
    if [ -n "$linker" ]; then
        # The last: pthread_exit loads it, and does not look there.
        link_arguments="'-Wl,--dynamic-linker=$linker', '-Wl,-rpath,${linker%/*}',"
        link_arguments+=" '-Wl,--push-state,--no-as-needed,-lgcc_s,--pop-state'"
    fi
    if [ "$name" = i686 ]; then
        arguments="'-Wno-psabi'" # gcc notes that it aligns atomics as it did not before version 11
    fi
    build_cmocka "$folder" "${tools}ar" "$compiler" || return
    cat >"$folder/cross.ini" <<INI
[binaries]
c = '$compiler'
ar = '${tools}ar'
strip = '${tools}strip'
pkgconfig = 'pkg-config'
${emulator:+exe_wrapper = '$emulator'}

[built-in options]
c_args = [$arguments]
c_link_args = [$link_arguments]

[properties]
needs_exe_wrapper = $wrapped
pkg_config_libdir = '$folder'

[host_machine]
system = 'linux'
cpu_family = '$4'
cpu = '$4'
endian = '$5'
INI
}

# run_machine NAME COMPILER QEMU PROCESSOR ORDER LINKER "PACKAGES"
run_machine() {
    local name=$1 compiler=$2 emulator=$3 suites="unit conformance" package
    for package in $7; do
        can_have "$name" "$package" dpkg -s "$package" || return
    done
    if [ -n "$emulator" ] && works "$compiler" -static; then
        emulator=
    elif [ -n "$emulator" ]; then
        can_have "$name" qemu-user-static command -v "$emulator" || return
        emulator=$(command -v "$emulator")
        suites=emulated
    fi
    if ! make_machine "$name" "$compiler" "$emulator" "${@:4}" >"build/$name.log" 2>&1; then
        add_row "$name" 0 1 0 "cmocka cannot be built for it, see build/$name.log"
        return
    fi
    setup_arguments=(--cross-file "build/machines/$name/cross.ini" -Dexamples=disabled)
    test_arguments=(--timeout-multiplier 8)
    only_suites=$suites EMULATOR=$emulator WATCHDOG_MS=${WATCHDOG_MS:-120000} \
        run_tests "$name" "build/$name" "$suites"
}

# Where addresses have 32 bits there is no room for hundreds of stacks of 8 MiB.
run_arches() {
    local line fields stack
    can_have_cmocka arches || return
    stack=$(ulimit -S -s)
    ulimit -S -s 4096
    for line in "${machines[@]}"; do
        IFS='|' read -ra fields <<<"$line"
        run_machine "${fields[@]}"
    done
    ulimit -S -s "$stack"
}
