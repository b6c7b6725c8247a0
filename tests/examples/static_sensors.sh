#!/bin/sh
# static_sensors.sh - every sample of both sensors arrives
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
sensor 0: 50 samples, sum 1275
sensor 1: 50 samples, sum 2550
END
