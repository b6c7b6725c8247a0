#!/bin/sh
# chan_use.sh - runs it
# SPDX-License-Identifier: MIT
"$1"
