#!/usr/bin/env bash
# mutant.sh - a unit test, with a fault in the library, is right on the host and wrong elsewhere.
# SPDX-License-Identifier: MIT
#
# Usage: mutant.sh PROGRAM SYSTEM...
program=$1
shift
if ! said=$(QUIRKS=none timeout 30 "$program" 2>&1); then
    echo "on the host it is wrong, too: $said"
    exit 1
fi
for system in "$@"; do
    said=$(QUIRKS=$system timeout 20 "$program" 2>&1)
    status=$?
    case $status:$said in
    0:*)
        echo "on $system the fault is not found"
        exit 1
        ;;
    124:* | *FAILED* | *"check failed"*) ;;
    *)
        echo "on $system it ends with status $status, and no test has failed: $said"
        exit 1
        ;;
    esac
done
