# ctx_left.sh - runs it
# SPDX-License-Identifier: MIT
"$1"
