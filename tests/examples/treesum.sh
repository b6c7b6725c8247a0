#!/usr/bin/env bash
# treesum.sh - checks treesum against the shell pipeline it stands for.
# SPDX-License-Identifier: MIT
#
# Usage: treesum.sh PROGRAM
#
# Risk     A name that is escaped or sorted otherwise than sha256sum and sort do it; a file lost or
#          doubled at the edge of a batch; an error that ends the run, or that the exit status
#          hides; Ctrl-C that hangs, or tears a line.
# Method   The program runs on trees made for the purpose and on system directories; its output is
#          compared byte by byte with that of find, sort, xargs and sha256sum.
# Catches  Any of the above; each check was seen to fail on a program broken for the purpose.
set -u
export LC_ALL=C
program=$(readlink -f "$1")
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'chmod -R u+rwx "$scratch"; rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
passed=0
failed=0
bounded="timeout -k 1 ${TREESUM_PATIENCE:-60}" # a run that hangs fails, and ends

# check NAME COMMAND...: the command must succeed.
check() {
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name" >&2
    fi
}

# runs STATUS ARGUMENT...: treesum must exit with STATUS; what it wrote is in $scratch/out and err.
runs() {
    local wanted=$1 status
    shift
    $bounded "$program" "$@" >"$scratch/out" 2>"$scratch/err"
    status=$?
    if [ "$status" -ne "$wanted" ]; then
        echo "treesum $*: exit status $status instead of $wanted" >&2
        head -c 2000 "$scratch/err" >&2
        return 1
    fi
}

# pipeline DIR: what treesum must print for DIR.
pipeline() {
    find "$1" -type f -print0 | sort -z | xargs -0r sha256sum
}

# same DIR [OPTION...]: the output for DIR is that of the pipeline, and nothing is wrong.
same() {
    local dir=$1
    shift
    pipeline "$dir" >"$scratch/expected"
    runs 0 "$@" -- "$dir" && cmp "$scratch/expected" "$scratch/out"
}

# says TEXT: TEXT, with its newlines, is all that went to standard error.
says() {
    if ! printf '%s\n' "$1" | cmp -s - "$scratch/err"; then
        echo "standard error is: $(head -c 2000 "$scratch/err")" >&2
        return 1
    fi
}

# matches FILE EXPRESSION: a line of out or err matches.
matches() {
    grep -Eq "$2" "$scratch/$1"
}

# Run a check of treesum_run.py.
driven() {
    python3 "$here/treesum_run.py" "$1" "$program" "${@:2}"
}

python3 "$here/treesum_tree.py" hostile "$scratch/hostile" || exit 1
python3 "$here/treesum_tree.py" endless "$scratch/endless" || exit 1
python3 "$here/treesum_tree.py" deep "$scratch/deep" || exit 1

equal_to_the_pipeline() {
    local dir
    for dir in /usr/include /usr/share/doc; do
        if [ -d "$dir" ]; then
            check "same as the pipeline on $dir" same "$dir"
        fi
    done
    for jobs in 1 2 3 16; do
        check "same as the pipeline on a hostile tree, -j$jobs" same "$scratch/hostile" "-j$jobs"
    done
    check "a directory given with a slash" same "$scratch/hostile/"
    check "a directory given with two slashes" same "$scratch/hostile/sizes//"
    check "an empty tree gives nothing" same "$scratch/hostile/counts/0000"
    check "a file as argument" same "$scratch/hostile/sizes/0000001"
    check "a link to a directory is not followed" \
        same "$scratch/hostile/no_regular_files/link-to-dir"
    check "a link with a slash is" same "$scratch/hostile/no_regular_files/link-to-dir/"
    if [ -r /proc/kallsyms ]; then
        check "a file that does not tell its size" same /proc/kallsyms
    fi
    cd "$scratch/hostile" || exit 1
    check "the current directory" same .
    check "a name that looks like an option" same ./every_byte/--help
    check "the parent directory" same ../hostile/sizes
    cd / || exit 1
}

several_directories() {
    local first="$scratch/hostile/sizes" second="$scratch/hostile/counts"
    { pipeline "$first" && pipeline "$second" && pipeline "$first"; } >"$scratch/expected"
    check "several directories are read" runs 0 "$first" "$second" "$first"
    check "in the order given" cmp "$scratch/expected" "$scratch/out"
}

summary_and_quiet() {
    check "a summary" runs 0 "$scratch/hostile/counts"
    check "in its words" matches err \
        '^treesum: 387 files, [0-9.]+ [KM]iB in [0-9.]+ s \([0-9.]+ [KMG]?i?B/s\), 0 errors$'
    check "quiet" runs 0 -q "$scratch/hostile/counts"
    check "says nothing" cmp "$scratch/err" /dev/null
    check "--quiet" runs 0 --quiet "$scratch/hostile/counts"
    check "says nothing either" cmp "$scratch/err" /dev/null
    check "a summary of one file" runs 0 "$scratch/hostile/counts/0001"
    check "speaks of one file" matches err '^treesum: 1 file, '
}

errors() {
    local missing="$scratch/no such
dir"
    pipeline "$scratch/hostile/sizes" >"$scratch/expected"
    check "a missing directory" runs 1 -q "$missing" "$scratch/hostile/sizes"
    check "is named" says "treesum: $scratch/no such\\012dir: No such file or directory"
    check "and the rest goes on" cmp "$scratch/expected" "$scratch/out"
    check "errors are counted" runs 1 "$missing" "$missing"
    check "in the summary" matches err ' 2 errors$'
    check "an empty name" runs 1 -q ''
    check "is said" says "treesum: : No such file or directory"
    check "--fail-fast" runs 1 --fail-fast "$missing" "$scratch/endless"
    check "ends at the first error" \
        says "treesum: $scratch/no such\\012dir: No such file or directory"
    check "with -j1 too" runs 1 --fail-fast -j1 "$missing" "$scratch/endless"

    local what
    for what in file dir; do
        pipeline "$scratch/deep/$what" >"$scratch/expected" 2>/dev/null
        check "a $what with a path that is too long" runs 1 "$scratch/deep/$what"
        check "does not hide others" cmp "$scratch/expected" "$scratch/out"
        check "and is reported" matches err '^treesum: /.*(file|dir): File name too long$'
        check "and counted" matches err ' 1 error$'
        check "the same with --fail-fast" runs 1 --fail-fast "$scratch/deep/$what" \
            "$scratch/endless"
        check "has the end of its path" \
            matches err "^treesum: \\.\\.\\.[d/]{100,}$what: File name too long\$"
    done
    mkdir "$scratch/tree-nobody" || exit 1
    check "unreadable files" driven as_nobody "$scratch/tree-nobody"
    mkdir "$scratch/tree-changed" || exit 1
    check "files that change" driven changed_files "$scratch/tree-changed"
}

standard_output_and_error() {
    check "a full disk" write_error /dev/full 'No space left on device'
    check "a closed standard output" closed_output
    check "a reader who leaves" broken_pipe
    check "a reader of messages who leaves" driven nobody_listens "$scratch/endless"
}

write_error() {
    $bounded "$program" -q "$scratch/hostile" >"$1" 2>"$scratch/err"
    [ $? -eq 1 ] && says "treesum: write error: $2"
}

closed_output() {
    $bounded "$program" -q "$scratch/hostile" >&- 2>"$scratch/err"
    [ $? -eq 1 ] && says "treesum: write error: Bad file descriptor"
}

broken_pipe() {
    {
        $bounded "$program" -q "$scratch/endless" 2>"$scratch/err"
        echo $? >"$scratch/status"
    } | true
    [ "$(cat "$scratch/status")" = 1 ] && says "treesum: write error: Broken pipe"
}

usage() {
    local bad
    for bad in '' '-j0 .' '-j257 .' '-j-1 .' '-j2x .' '-j .' '--jobs= .' \
        '-j99999999999999999999 .' \
        '-x .' '--nonsense .' '--quiet=1 .' '-j' '--rate'; do
        # shellcheck disable=SC2086
        check "wrong usage: treesum $bad" runs 2 $bad
        check "shows the usage" matches err '^Usage: treesum '
        check "and prints nothing" cmp "$scratch/out" /dev/null
    done
    check "--help" runs 0 --help
    check "explains" matches out 'Exit status:'
    check "-h" runs 0 -h
    check "--version" runs 0 --version
    check "names the version" matches out '^treesum \(libcconc\) [0-9]+\.[0-9]+\.[0-9]+$'
    check "--help into a full disk" help_write_error
    check "--jobs=2" runs 0 --jobs=2 -q "$scratch/hostile/sizes"
    check "--jobs 2" runs 0 --jobs 2 -q "$scratch/hostile/sizes"
}

rates() {
    local bad text
    text="treesum: --rate wants a number of bytes from 1 to 1024G, with K, M or G for units of"
    text+=" 1024, 1024^2 or 1024^3"
    for bad in '' 0 0K K -1 +1 ' 1' 1.5M 0x10 1X 1k 1KB 1K1 1025G 1048577M 1099511627777 \
        99999999999999999999 99999999999999999999K; do
        check "wrong rate: '$bad'" runs 2 --rate "$bad" .
        check "is named" matches err "^$(sed 's/\^/\\^/g' <<<"$text")\$"
        check "shows the usage" matches err '^Usage: treesum '
        check "and prints nothing" cmp "$scratch/out" /dev/null
    done
    local good
    for good in 1024G 1048576M 1099511627776 1G 300K; do
        check "--rate $good" same "$scratch/hostile/counts" --rate "$good"
    done
    check "many small files at a rate" same "$scratch/hostile/counts" -j16 --rate=1M
    check "a rate for a file that does not tell its size" rate_of_unknown_size
    check "the bytes take their time" driven rate "$scratch/hostile/sizes"
    check "Ctrl-C while all wait for their turn" driven interrupt_rate "$scratch/endless"
    check "the bar goes by bytes at a low rate" driven rate_on_terminal "$scratch/hostile"
}

rate_of_unknown_size() {
    [ ! -r /proc/version ] || same /proc/version --rate 1M
}

help_write_error() {
    $bounded "$program" --help >/dev/full 2>"$scratch/err"
    [ $? -eq 1 ] && says "treesum: write error: No space left on device"
}

signals_and_terminals() {
    check "large files at the same time" driven neighbours_at_once "$scratch/endless"
    check "Ctrl-C at random moments" driven interrupt "$scratch/endless" "${TREESUM_ROUNDS:-20}"
    check "Ctrl-C while nobody reads" driven interrupt_stuck_pipe "$scratch/endless"
    check "a second Ctrl-C" driven second_signal "$scratch/endless"
    check "the bar" driven terminal "$scratch/endless"
    check "the bar on a narrow terminal" driven narrow_terminal "$scratch/endless"
    check "no bar" driven no_bar "$scratch/endless"
}

equal_to_the_pipeline
several_directories
summary_and_quiet
errors
standard_output_and_error
usage
rates
signals_and_terminals
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
