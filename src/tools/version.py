"""version.py - print the version that include/cconc/version.h states, the only source of it.
SPDX-License-Identifier: MIT
"""
import re
import sys


def read_define(text, name):
    match = re.search(rf"^#define\s+CCONC_{name}\s+(.+)$", text, re.MULTILINE)
    if not match:
        sys.exit(f"version.py: {sys.argv[1]} does not define CCONC_{name}")
    return match.group(1).strip()


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: version.py VERSION_HEADER")
    with open(sys.argv[1], encoding="utf-8") as header:
        text = header.read()
    parts = [read_define(text, f"VERSION_{part}") for part in ("MAJOR", "MINOR", "PATCH")]
    version = ".".join(parts)
    stated = read_define(text, "VERSION_STRING").strip('"')
    if stated != version:
        sys.exit(f"version.py: CCONC_VERSION_STRING is {stated}, the numbers say {version}")
    print(version)


if __name__ == "__main__":
    main()
