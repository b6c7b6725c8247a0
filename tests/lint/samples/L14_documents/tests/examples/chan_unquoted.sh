#!/bin/sh
# chan_unquoted.sh - runs it
# SPDX-License-Identifier: MIT
"$1"
