#!/bin/sh
# tutorial.sh - a program of the tutorial prints what the page says that it prints
# SPDX-License-Identifier: MIT
#
# Usage: tutorial.sh PROGRAM NAME PAGE
#
# The page holds it in a block that begins with ```text NAME; the lint (L14) compares the program.
. "$(dirname "$0")/lib.sh"

wanted=$(sed -n "/^\`\`\`text $2\$/,/^\`\`\`\$/{/^\`\`\`/d;p;}" "$3")
if [ -z "$wanted" ]; then
    echo "$3 has no block '\`\`\`text $2'"
    exit 1
fi
printf '%s\n' "$wanted" | expect_output "$1"
