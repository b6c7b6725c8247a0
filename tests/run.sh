#!/usr/bin/env bash
# run.sh - installs what is missing, builds libcconc in each way it is tested, and runs the tests.
# SPDX-License-Identifier: MIT
#
# Usage: ./tests/run.sh [--only LAYER] [--full]
#
# Layers    unit conformance stress examples lint install bench
#                   the library as users get it (build/)
#           sweep   unit and conformance of build/, with each allocation of each call failing
#           model   the deterministic tester, and the mutants that it must find (tests/model)
#           asan    unit, conformance, stress with AddressSanitizer, UBSan, checks on (build/asan)
#           tsan    the same with ThreadSanitizer (build/tsan)
# --full    adds the suite "steps" to unit, the examples to asan and tsan, and "crowd" to tsan; it
#           gives the model more time and all its builds, and adds the layers
#           sweep-all           sweep in build/asan, without leaving large programs out
#           eintr               unit, conformance and stress, in a storm of signals
#           stopcont            stress, stopped and continued at random moments
#           faketime            unit and stress, while the calendar steps ten years to and fro
#           one-cpu             unit and stress of build/ pinned to one processor
#           hogs                unit and stress of build/ beside two programs that only compute
#           valgrind            unit and stress of build/ under memcheck, leaks included
#           helgrind            unit and stress of build/, its lock orders and calls of pthreads
#           strategies          unit and conformance by each way to wait (option wait_strategy)
#           quirks              unit on the pthreads of other systems (tests/quirk), and whether
#                               code that trusts them is caught
#           clang-14 clang-19   unit, stress and examples with that compiler, checks on
#           modes               unit, optimised in other ways, hardened, and by the sanitizers of
#                               clang
#           amalgamation        unit, conformance and examples on cconc.c, and its compilers
#           arches              unit and conformance with musl; a part of them, emulated, on i686,
#                               armhf, aarch64, riscv64, s390x and powerpc
#           promela             the Spin models of tests/promela, right and wrong
#           coverage            unit and conformance; they must run every line, branch and condition
#           instructions        what the fast paths take, against tests/bench/instructions.tsv
#           site                the documentation as web pages: no warning, no dead link, no block
#                               of C that nothing compiles
#           embedded            headers and sources by the compilers of machines without a system
#           packaging           install again, with CMake, abidiff and make; builds as packagers do
#                               them, musl, the tarball; the headers by every compiler there is
#           debian              packages of docs/packaging/debian, lintian, and programs
#                               that use them by pkg-config, CMake and Meson
# Layers that only change the system around the library leave out the suite "steps", the longest
# tests: one-cpu, hogs, stopcont, faketime, valgrind, helgrind, strategies, quirks, modes, and two
# of the builds of coverage. quirks, faketime, valgrind and helgrind leave out "crowd", too, the
# ones with thousands of objects.
# The last line is "N passed, N failed"; the status is 0 if none failed. STRESS_MS is the time that
# each stress test runs, in milliseconds: 1000, or 3000 in stress, asan and tsan of --full.
set -uo pipefail

usage() {
    sed -n '/^# Usage/,/^# each/s/^# \?//p' "$0"
    exit "$1"
}

layers=(unit conformance stress examples lint install bench sweep model asan tsan)
full_layers=(sweep-all eintr stopcont faketime one-cpu hogs valgrind helgrind
    strategies quirks clang-14 clang-19 modes amalgamation arches promela coverage instructions site
    embedded packaging debian)
only=
only_suites= # of which programs are built; all if empty
full=
while [ $# -gt 0 ]; do
    case $1 in
    --only) only=${2:?"--only needs a layer"}; shift ;;
    --full) full=1 ;;
    --help) usage 0 ;;
    *) usage 2 >&2 ;;
    esac
    shift
done
if [ -n "$only" ] && [[ " ${layers[*]} ${full_layers[*]} " != *" $only "* ]]; then
    usage 2 >&2
fi

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
exec </dev/null
mkdir -p build
source src/tools/packages.sh
source tests/builds/cmocka.sh
source tests/builds/arches.sh
source tests/builds/modes.sh
need_build_tools
need libcmocka-dev pkg-config --exists cmocka
need libcurl4-openssl-dev pkg-config --exists libcurl
need libsqlite3-dev pkg-config --exists sqlite3
need zlib1g-dev pkg-config --exists zlib
need g++ command -v c++
need binutils command -v nm
install_missing_packages build/packages.log
sanitized_suites="unit conformance stress" # the whole is to take less than ten minutes
left_out_if_quick=(--no-suite steps)
tsan_left_out=(--no-suite crowd)
if [ -n "$full" ]; then
    sanitized_suites+=" examples"
    left_out_if_quick=()
    tsan_left_out=()
fi

table=()
failures=() # layer and name of each test that failed, and how
passed_total=0
failed_total=0

# add_row LAYER PASSED FAILED SECONDS NOTE
add_row() {
    passed_total=$((passed_total + $2))
    failed_total=$((failed_total + $3))
    table+=("$(printf '%-16s %7d %7d %8d  %s' "$@")")
}

skip_layer() {
    table+=("$(printf '%-16s %s' "$1" "SKIPPED: $2")")
}

# configure_and_build FOLDER SETUP_ARGUMENT...: a configuration that cannot be renewed is replaced.
configure_and_build() {
    local folder=$1
    shift
    local arguments=(-Dtests=enabled -Dexamples=enabled -Dwerror=true)
    if [ "$folder" != build ]; then
        arguments+=(-Ddocs=disabled) # one build makes the manual pages
    fi
    arguments+=("$@")
    if [ -f "$folder/build.ninja" ]; then
        meson setup --reconfigure "$folder" "${arguments[@]}" ||
            { rm -rf "$folder"/{meson-private,meson-info,build.ninja} &&
                meson setup "$folder" "${arguments[@]}"; }
    else
        meson setup "$folder" "${arguments[@]}"
    fi && ninja -C "$folder" $(programs_of "$folder" "$only_suites")
}

# programs_of FOLDER "SUITES": what ninja is to build for the tests of the suites; all if "", or if
# there are scripts among them.
programs_of() {
    [[ -z $2 || $2 == *examples* || $2 == quirk ]] || meson introspect "$1" --tests | python3 -c '
import json
import os
import sys

folder, suites = os.path.realpath(sys.argv[1]), set(sys.argv[2].split())
for test in json.load(sys.stdin):
    path = test["cmd"][-1]
    if suites & {suite.split(":")[-1] for suite in test["suite"]}:
        print(os.path.relpath(path, folder))' "$1" "$2"
}

# count_results FOLDER: prints passed, failed and skipped as meson's log of the last run has them,
# then a line for each that failed.
count_results() {
    python3 - "$1"/meson-logs/testlog*.json <<'PYTHON' # the name ends in that of a wrapper
import json
import sys

counts = {"passed": 0, "failed": 0, "skipped": 0}
failed = []
try:
    with open(sys.argv[1], encoding="utf-8") as log:
        for test in map(json.loads, log):
            kind = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}
            counts[kind.get(test["result"], "failed")] += 1
            if test["result"] not in kind:
                failed.append(f"{test['name']}: {test['result']} after {test['duration']:.1f} s")
except FileNotFoundError:
    counts["failed"] = 1
print(counts["passed"], counts["failed"], counts["skipped"])
print(*failed, sep="\n", end="")
PYTHON
}

# run_tests LAYER FOLDER "SUITES" WRAPPER...: adds the row, build time included.
run_tests() {
    local layer=$1 folder=$2 suites=$3 start=$SECONDS passed failed skipped suite
    local arguments=() names
    shift 3
    for suite in $suites; do
        arguments+=(--suite "$suite")
    done
    echo
    echo "== $layer"
    if ! configure_and_build "$folder" "${setup_arguments[@]}" >"build/$layer.log" 2>&1; then
        tail -n 60 "build/$layer.log"
        add_row "$layer" 0 1 $((SECONDS - start)) "the build failed, see build/$layer.log"
        return
    fi
    rm -f "$folder"/meson-logs/testlog*.json
    "$@" meson test -C "$folder" --no-rebuild --print-errorlogs "${arguments[@]}" \
        "${test_arguments[@]}"
    { read -r passed failed skipped && mapfile -t names; } < <(count_results "$folder")
    failures+=("${names[@]/#/$layer, }")
    add_row "$layer" "$passed" "$failed" $((SECONDS - start)) \
        "$( ((skipped)) && echo "$skipped skipped")"
}

# works COMPILER FLAG WRAPPER...: can programs be built with FLAG, and do they start?
works() {
    local compiler=$1 flag=$2
    shift 2
    echo 'int main(void) { return 0; }' | "$compiler" "$flag" -x c - -o build/probe 2>/dev/null &&
        "$@" build/probe 2>/dev/null
}

run_plain() {
    setup_arguments=()
    test_arguments=("${left_out_if_quick[@]}")
    run_tests "$1" build "${2:-$1}" "${@:3}"
}

# run_without_steps LAYER WRAPPER...
run_without_steps() {
    setup_arguments=()
    test_arguments=(--no-suite steps)
    run_tests "$1" build "unit stress" "${@:2}"
}

# run_asan LAYER "SUITES": not optimised, which builds sooner, and tests no longer; the clang
# sanitizers of modes see the optimised code.
run_asan() {
    if ! works cc -fsanitize=address,undefined; then
        skip_layer "$1" "programs with AddressSanitizer do not build or start here"
        return
    fi
    setup_arguments=("-Db_sanitize=address,undefined" -Db_lundef=false -Dchecked=true
        -Doptimization=0)
    test_arguments=(--timeout-multiplier 2)
    local common=halt_on_error=1:abort_on_error=1
    ASAN_OPTIONS=$common:allocator_may_return_null=1:detect_stack_use_after_return=1 \
        UBSAN_OPTIONS=$common:print_stacktrace=1 TREESUM_SLOWNESS=4 \
        only_suites=$2 run_tests "$1" build/asan "$2"
}

# run_sweep LAYER COMMAND...: the tests by COMMAND, and one more: no place of the library that asks
# for memory or a thread was left out.
run_sweep() {
    local layer=$1 start
    shift
    rm -rf build/swept
    mkdir -p build/swept
    SWEEP=call SWEEP_DIR=$PWD/build/swept "$@"
    start=$SECONDS
    if python3 tests/sweep/sites.py src build/swept; then
        add_row "$layer" 1 0 $((SECONDS - start)) "every place was failed"
    else
        add_row "$layer" 0 1 $((SECONDS - start)) "a place was never failed"
    fi
}

# Kernels that randomise addresses by more bits than ThreadSanitizer expects need setarch -R.
run_tsan() {
    local wrapper=()
    if setarch -R true 2>/dev/null; then
        wrapper=(setarch -R)
    fi
    if ! works cc -fsanitize=thread "${wrapper[@]}"; then
        skip_layer tsan "programs with ThreadSanitizer do not build or start here"
        return
    fi
    setup_arguments=(-Db_sanitize=thread -Db_lundef=false -Dchecked=true)
    test_arguments=(--timeout-multiplier 2 "${tsan_left_out[@]}")
    TSAN_OPTIONS=halt_on_error=1:allocator_may_return_null=1:second_deadlock_stack=1 \
        TREESUM_SLOWNESS=4 only_suites=$sanitized_suites \
        run_tests tsan build/tsan "$sanitized_suites" "${wrapper[@]}"
}

# can_have LAYER PACKAGE COMMAND...: PACKAGE is missing if COMMAND fails. If apt-get does not
# install it, the layer is skipped.
can_have() {
    missing_packages=()
    need "${@:2}"
    if ! (install_missing_packages "build/$1.packages.log") 2>/dev/null; then
        skip_layer "$1" "$2 is not installed, and apt-get cannot install it"
        return 1
    fi
}

# What valgrind runs is slow, one thread at a time; a stress test is over after a few rounds.
run_valgrind() {
    can_have "$1" valgrind command -v valgrind || return
    setup_arguments=()
    test_arguments=(--timeout-multiplier 20 --no-suite measured --no-suite crowd --no-suite steps
        --wrap "$2")
    STRESS_MS=500 WATCHDOG_MS=300000 run_tests "$1" build "unit stress"
}

# run_wrapped LAYER "SUITES" SCRIPT ARGUMENT...: each test by the script.
run_wrapped() {
    setup_arguments=()
    test_arguments=(--timeout-multiplier 4 --no-suite measured --no-suite steps --wrap "$3"
        "${@:4}")
    run_tests "$1" build "$2"
}

run_clang() {
    can_have "$1" "$1" command -v "$1" || return
    setup_arguments=(-Dchecked=true)
    test_arguments=()
    CC=$1 run_tests "$1" "build/$1" "unit stress examples"
}

# The tests that need musl or another compiler are skipped where there is none.
run_amalgamation() {
    setup_arguments=(-Damalgamation=true)
    test_arguments=()
    can_have amalgamation-musl musl-tools command -v musl-gcc || true
    run_tests amalgamation build/amalgamation \
        "unit conformance examples amalgamation"
}

# The models need no build of the library; the script counts them itself, in its last line.
run_promela() {
    local start=$SECONDS passed failed
    can_have promela spin command -v spin || return
    echo
    echo "== promela"
    tests/promela/run.sh | tee build/promela.log
    read -r passed failed < <(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' \
        build/promela.log)
    add_row promela "${passed:-0}" "${failed:-1}" $((SECONDS - start)) ""
}

# run_strategy STRATEGY LAYER "SUITES" PROFILE: one way to wait, on the host or as another system.
run_strategy() {
    local folder=build/$1 quirks=true
    if [ "$1" = clockwait ]; then
        quirks=false # there is nothing that the host lacks for it
    fi
    setup_arguments=(-Dwait_strategy="$1" -Dquirks=$quirks -Dexamples=disabled -Doptimization=0)
    test_arguments=(--no-suite steps)
    if [ "$4" != none ]; then
        test_arguments+=(--no-suite crowd --no-suite unquirked-all --no-suite "unquirked-$4")
    fi
    QUIRKS=$4 only_suites=$3 run_tests "$2" "$folder" "$3"
}

# That of Linux, condattr, is what all other layers run.
run_strategies() {
    local strategy
    for strategy in clockwait relative realtime; do
        run_strategy "$strategy" "$strategy" "unit conformance" none
    done
}

# Each system with the way to wait that docs/platforms.md tells to choose there.
quirk_systems=(
    "macos relative"
    "espidf realtime"
    "espidf-setclock realtime"
    "rtthread realtime"
    "freertos-posix realtime"
    "threadx realtime"
    "clockstep realtime"
    "zephyr-default condattr"
    "nuttx-small condattr"
    "tick10ms condattr"
)

run_quirks() {
    local line profile strategy
    for line in "${quirk_systems[@]}"; do
        read -r profile strategy <<<"$line"
        run_strategy "$strategy" "$profile" unit "$profile"
    done
    run_strategy condattr trusting-condattr quirk none
    run_strategy realtime trusting-realtime quirk none
}

run_instructions() {
    local start=$SECONDS status=0
    can_have instructions valgrind command -v valgrind || return
    echo
    echo "== instructions"
    tests/bench/instructions.sh >build/instructions.log 2>&1 || status=$?
    cat build/instructions.log
    case $status in
    0) add_row instructions 1 0 $((SECONDS - start)) "" ;;
    77) skip_layer instructions "$(tail -n 1 build/instructions.log)" ;;
    *) add_row instructions 0 1 $((SECONDS - start)) "see build/instructions.log" ;;
    esac
}

# What the gate of coverage counts, a line a build: its name, its suites, what it is set up with,
# what meson test leaves out. Not stress: what runs there by luck would be covered by luck.
coverage_builds=(
    "coverage|unit conformance||"
    "coverage-checked|unit conformance|-Dchecked=true|--no-suite steps"
    "coverage-narrow|unit|-Dwords=narrow|--no-suite steps"
)

run_coverage() {
    local line name suites argument left_out folders=() start
    can_have coverage clang-19 command -v clang-19 &&
        can_have coverage llvm-19 command -v llvm-cov-19 &&
        LLVM_PROFILE_FILE=build/probe.profraw can_have coverage libclang-rt-19-dev \
            works clang-19 -fprofile-instr-generate || return
    for line in "${coverage_builds[@]}"; do
        IFS='|' read -r name suites argument left_out <<<"$line"
        setup_arguments=(-Dcoverage=true -Doptimization=1 -Dexamples=disabled $argument)
        test_arguments=($left_out)
        rm -rf "build/$name/profiles"
        CC=clang-19 LLVM_PROFILE_FILE="$PWD/build/$name/profiles/%m.profraw" \
            only_suites=$suites run_tests "$name" "build/$name" "$suites"
        folders+=("build/$name")
    done
    start=$SECONDS
    echo
    echo "== model, for coverage"
    { ninja -C build/coverage tests/model/model &&
        LLVM_PROFILE_FILE="$PWD/build/coverage/profiles/%m.profraw" \
            build/coverage/tests/model/model; } >build/coverage-model.log 2>&1 ||
        add_row coverage-model 0 1 $((SECONDS - start)) "see build/coverage-model.log"
    if python3 tests/coverage/gate.py "${folders[@]}" >build/coverage.txt; then
        add_row coverage-gate 1 0 $((SECONDS - start)) "$(tail -n 1 build/coverage.txt)"
    else
        add_row coverage-gate 0 1 $((SECONDS - start)) "see build/coverage.txt"
    fi
    tail -n 8 build/coverage.txt
}

# The site needs no build of the library.
run_site() {
    local start=$SECONDS passed=0 failed=0 argument
    can_have site python3-sphinx command -v sphinx-build &&
        can_have site python3-myst-parser dpkg -s python3-myst-parser &&
        can_have site furo dpkg -s furo &&
        can_have site graphviz command -v dot || return
    echo
    echo "== site"
    for argument in "" --self-test; do
        if python3 tests/docs/site.py . $argument; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
        fi
    done
    add_row site "$passed" "$failed" $((SECONDS - start)) ""
}

# install_what_can_be LAYER PACKAGE...: what cannot be had is left out by the tests that need it.
install_what_can_be() {
    local layer=$1 package
    shift
    for package in "$@"; do
        missing_packages=()
        need "$package" dpkg -s "$package"
        (install_missing_packages "build/$layer.$package.log") 2>/dev/null
    done
    missing_packages=()
}

run_embedded() {
    install_what_can_be embedded gcc-arm-none-eabi libnewlib-arm-none-eabi picolibc-arm-none-eabi \
        gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf clang-19 tcc pcc
    run_plain embedded
}

run_packaging() {
    install_what_can_be packaging abigail-tools clang-14 clang-16 clang-19 cmake codespell g++-11 \
        g++-12 lld-14 lld-19 make mandoc musl-tools pandoc
    setup_arguments=()
    test_arguments=(--timeout-multiplier 4)
    run_tests packaging build "install packaging"
}

run_debian() {
    can_have debian build-essential dpkg -s build-essential &&
        can_have debian debhelper command -v dh &&
        can_have debian fakeroot command -v fakeroot &&
        can_have debian lintian command -v lintian &&
        can_have debian pandoc command -v pandoc &&
        can_have debian cmake command -v cmake || return
    setup_arguments=()
    test_arguments=()
    run_tests debian build debian
}

# explore PROGRAM ARGUMENT...: adds the row of one build of the tester.
explore() {
    local program=$1 start=$SECONDS last passed failed note
    shift
    echo
    echo "== $program"
    "build/tests/model/$program" "$@" 2>&1 | tee "build/$program.log" | grep -v ' self '
    last=$(tail -n 1 "build/$program.log")
    passed=$(sed -n 's/^model: scenarios=\([0-9]*\) .*/\1/p' <<<"$last")
    failed=$(sed -n 's/.* failed=\([0-9]*\)$/\1/p' <<<"$last")
    note=$(sed -n 's/^model: scenarios=[0-9]* \(.*\) failed=.*/\1/p' <<<"$last")
    add_row "$program" $((${passed:-0} - ${failed:-0})) "${failed:-1}" $((SECONDS - start)) "$note"
}

# Some of the mutants that the plain build of the tester can find; with --full all of all builds.
run_mutants() {
    local start=$SECONDS some=(--modes plain --count 50) counts
    if [ -n "$full" ]; then
        some=()
    fi
    echo
    echo "== mutants"
    tests/mutants/run.py build "${some[@]}" | tee build/mutants.log
    counts=$(sed -n '$s/^mutants=//p' build/mutants.log)
    counts=${counts:-0/1}
    add_row mutants "${counts%/*}" $((${counts#*/} - ${counts%/*})) $((SECONDS - start)) ""
}

# The seconds are those that the scenarios have together, on all processors at once.
run_model() {
    local targets=(tests/model/model)
    if [ -n "$full" ]; then
        targets+=(tests/model/model_weak tests/model/model_race tests/model/model_asan)
    fi
    if ! { configure_and_build build && ninja -C build "${targets[@]}"; } \
        >build/model-build.log 2>&1; then
        tail -n 60 build/model-build.log
        add_row model 0 1 0 "the build failed, see build/model-build.log"
        return
    fi
    if [ -n "$full" ]; then
        explore model --full --seconds 600 --least 100000000
        explore model_weak --seconds 60
        explore model_race --seconds 60
        explore model_asan --seconds 45
    else
        explore model --seconds 30
    fi
    run_mutants
    sed -n '$s/ failed=.*//p' build/model.log | sed "s|\$| $(tail -n 1 build/mutants.log)|"
}

asked_stress_ms=${STRESS_MS:-}

run_layer() {
    local stress_ms=1000
    case $full$1 in
    1stress | 1asan | 1tsan) stress_ms=3000 ;;
    esac
    export STRESS_MS=${asked_stress_ms:-$stress_ms}
    case $1 in
    model) run_model ;;
    coverage) run_coverage ;;
    amalgamation) run_amalgamation ;;
    asan) run_asan asan "$sanitized_suites" ;;
    eintr)
        setup_arguments=()
        test_arguments=(--timeout-multiplier 4 --no-suite calm --no-suite measured)
        STORM=1 run_tests eintr build "unit conformance stress"
        ;;
    stopcont) run_wrapped stopcont stress "python3 $PWD/tests/support/stopcont.py" ;;
    faketime)
        can_have faketime faketime &&
            run_wrapped faketime "unit stress" "bash $PWD/tests/support/faketime.sh" \
                --no-suite unfaked --no-suite crowd
        ;;
    sweep) run_sweep sweep run_plain sweep ;;
    sweep-all) run_sweep sweep-all run_asan sweep-all "unit conformance" ;;
    tsan) run_tsan ;;
    one-cpu) run_without_steps one-cpu taskset -c 0 ;;
    hogs) run_without_steps hogs bash tests/support/beside_hogs.sh ;;
    valgrind) run_valgrind valgrind "valgrind -q --error-exitcode=99 --leak-check=full \
        --errors-for-leak-kinds=definite --max-threads=4000 --fair-sched=yes" ;;
    helgrind) run_valgrind helgrind "python3 $PWD/tests/support/helgrind.py" ;;
    clang-*) run_clang "$1" ;;
    strategies) run_strategies ;;
    quirks) run_quirks ;;
    modes) run_modes ;;
    promela) run_promela ;;
    instructions) run_instructions ;;
    site) run_site ;;
    embedded) run_embedded ;;
    packaging) run_packaging ;;
    arches) run_arches ;;
    debian) run_debian ;;
    *) run_plain "$1" ;;
    esac
}

if [ -n "$only" ]; then
    layers=("$only")
elif [ -n "$full" ]; then
    layers+=("${full_layers[@]}")
fi
for layer in "${layers[@]}"; do
    run_layer "$layer"
done

echo
printf '%-16s %7s %7s %8s\n' layer passed failed seconds
printf '%s\n' "${table[@]}"
[ ${#failures[@]} -eq 0 ] || { echo && printf 'FAILED  %s\n' "${failures[@]}"; }
echo
echo "$passed_total passed, $failed_total failed"
[ "$failed_total" -eq 0 ] && [ "$passed_total" -gt 0 ]
