#!/usr/bin/env bash
# naive.sh - code that trusts a system is found wrong where it is, and nowhere else.
# SPDX-License-Identifier: MIT
#
# Usage: naive.sh PROGRAM, which is naive.c, built with -Dquirks=true
program=$1
failed=0
systems=(none macos espidf espidf-setclock rtthread zephyr-default freertos-posix threadx
    nuttx-small tick10ms clockstep)

# expect WAY SYSTEM...: wrong on these, or asleep for good; right on the others that have what it
# calls.
expect() {
    local way=$1 system wanted status said
    shift
    for system in "${systems[@]}"; do
        wanted=right
        [[ " $* " == *" $system "* ]] && wanted=wrong
        said=$(QUIRKS=$system timeout 5 "$program" "$way" 2>&1)
        status=$?
        if [ "$system" = macos ] && [[ $said == *"macos has no pthread_condattr_"* ]]; then
            continue # it would not have linked
        fi
        case $wanted:$status in
        right:0 | wrong:1 | wrong:124) ;;
        *)
            echo "$way on $system: $wanted was expected, status $status: $said"
            failed=1
            ;;
        esac
    done
}

# Zephyr's waits go by the monotonic clock: a deadline of the calendar is decades away.
expect setclock espidf espidf-setclock rtthread
expect realtime espidf espidf-setclock clockstep tick10ms zephyr-default
expect spin espidf espidf-setclock rtthread zephyr-default tick10ms
expect relock threadx zephyr-default
expect crowd freertos-posix
expect two freertos-posix zephyr-default
expect destroy freertos-posix
expect attribute espidf zephyr-default
expect broadcast zephyr-default
exit "$failed"
