# chan_peek.sh - runs it
# SPDX-License-Identifier: MIT
"$1"
