#!/bin/sh
# tutorial.sh - runs a step
# SPDX-License-Identifier: MIT
"$1"
