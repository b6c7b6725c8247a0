#!/usr/bin/env bash
# faketime.sh - runs a command while the clock of the calendar steps ten years to and fro.
# SPDX-License-Identifier: MIT
#
# Usage: faketime.sh COMMAND [ARGUMENT...]; the status is the command's.
#
# The monotonic clock goes on as ever, so no wait of the library may end sooner or later.
folder=$(mktemp -d)
export FAKETIME_TIMESTAMP_FILE=$folder/time FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
export DONT_FAKE_MONOTONIC=1 # the name in older versions
printf '+0\n' >"$folder/time"
while :; do
    for step in +10y -10y +1h +0; do
        printf '%s\n' "$step" >"$folder/next" && mv "$folder/next" "$folder/time"
        sleep 0.05
    done
done &
stepper=$!
trap 'kill "$stepper"; rm -rf "$folder"' EXIT
library=$(find /usr/lib -name libfaketimeMT.so.1 | head -n 1)
LD_PRELOAD=$library "$@"
