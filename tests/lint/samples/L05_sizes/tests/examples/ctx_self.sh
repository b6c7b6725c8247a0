# ctx_self.sh - runs it
# SPDX-License-Identifier: MIT
"$1"
