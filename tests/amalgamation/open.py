"""open.py - cconc.c with some functions defined under another name, so that a linker can wrap them.
SPDX-License-Identifier: MIT

Usage: open.py CCONC_C OUT FUNCTION...

A linker wraps only what a file calls and does not define. FUNCTION is defined as FUNCTION_body, and
still called as FUNCTION, which the linker is told to be the same; all its definitions are, of which
conditions leave one. Built with CCONC_INTERNAL defined as nothing, the file lets tests reach what
the library keeps to itself.
"""
import re
import sys


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    for function in sys.argv[3:]:
        definition = re.compile(rf"^(CCONC_INTERNAL\s[^;{{}}()]*\b{function})(\([^;{{}}]*\)\s*\{{)",
                                re.MULTILINE)
        text, count = definition.subn(r"\1_body\2", text)
        if count == 0:
            sys.exit(f"open.py: {function} is not defined")
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
