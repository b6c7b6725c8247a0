# facts.sh - sourced by scripts that measure: what a results file says of its origin
# SPDX-License-Identifier: MIT
# shellcheck shell=bash

# commit: prints what is checked out, and whether files differ from it.
commit() {
    git rev-parse --short=12 HEAD 2>/dev/null || echo unknown
    git diff --quiet HEAD 2>/dev/null || echo "with changes"
}

# write_facts MODE: prints the lines that a results file begins with.
write_facts() {
    printf '# %s\t%s\n' \
        date "$(date -u +%Y-%m-%dT%H:%MZ)" \
        commit "$(commit | paste -sd ' ')" \
        mode "$1" \
        rounds "${ROUNDS:-5}" \
        scale "${SCALE:-1}" \
        compiler "$(cc --version | head -n 1)" \
        kernel "$(uname -sr)" \
        cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
        cores "$(nproc)"
}
