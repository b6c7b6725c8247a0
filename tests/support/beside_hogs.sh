#!/usr/bin/env bash
# beside_hogs.sh - runs a command while two programs compute all the time.
# SPDX-License-Identifier: MIT
#
# Usage: beside_hogs.sh COMMAND [ARGUMENT...]; the status is the command's.
hogs=()
for _ in 1 2; do
    while :; do :; done &
    hogs+=($!)
done
trap 'kill "${hogs[@]}"' EXIT
"$@"
