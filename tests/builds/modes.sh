# modes.sh - sourced by tests/run.sh: the ways to compile a library that change what it does.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034

# Name, compiler, what it is set up with.
modes=(
    "O0|cc|-Doptimization=0"
    "O3|cc|-Doptimization=3"
    "Os|cc|-Doptimization=s"
    "fortify|cc|-Dc_args=-D_FORTIFY_SOURCE=3"
    "asan-clang|clang-19|-Db_sanitize=address,undefined -Db_lundef=false"
    "tsan-clang|clang-19|-Db_sanitize=thread -Db_lundef=false"
    "msan|clang-19|-Db_sanitize=memory -Db_lundef=false"
)

# MemorySanitizer takes what others wrote for never written: cmocka is compiled with it as well.
make_msan_cmocka() {
    can_have_cmocka msan || return
    build_cmocka "$PWD/build/cmocka-msan" ar clang-19 -fsanitize=memory -g >build/msan.log 2>&1 ||
        { add_row msan 0 1 0 "cmocka cannot be built for it, see build/msan.log"; return 1; }
}

# run_mode NAME COMPILER ARGUMENT...
run_mode() {
    local name=$1 compiler=$2 flag
    setup_arguments=(-Dexamples=disabled "${@:3}")
    test_arguments=(--timeout-multiplier 4 --no-suite measured --no-suite steps)
    if [ "$compiler" != cc ]; then
        can_have "$name" "$compiler" command -v "$compiler" || return
        can_have "$name" libclang-rt-19-dev works "$compiler" -fsanitize=address || return
        test_arguments+=(--no-suite shadowing)
    fi
    if [ "$name" = msan ]; then
        make_msan_cmocka || return
        export PKG_CONFIG_PATH=$PWD/build/cmocka-msan
    fi
    MSAN_OPTIONS=allocator_may_return_null=1 CC=$compiler only_suites=unit \
        run_tests "$name" "build/$name" unit
    unset PKG_CONFIG_PATH
}

run_modes() {
    local line name compiler arguments
    for line in "${modes[@]}"; do
        IFS='|' read -r name compiler arguments <<<"$line"
        # Words on purpose.
        # shellcheck disable=SC2086
        run_mode "$name" "$compiler" $arguments
    done
}
