# chan_use.sh - runs the example
# SPDX-License-Identifier: MIT
"$1"
