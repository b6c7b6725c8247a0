#!/usr/bin/env python3
"""headers.py - compiles every public header by itself, in every language it promises.
SPDX-License-Identifier: MIT

Each header is compiled alone and twice in one unit, as C99 to C17 and C++11 to C++20, with all
warnings as errors, by gcc and by clang where they are installed. It may pull in nothing but
<stddef.h>, <stdint.h>, <stdbool.h>, what those pull in, and other headers of ours.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow",
            "-Werror"]
COMPILERS = ["gcc", "clang"]
STANDARDS = {"c": ["c99", "c11", "c17"], "c++": ["c++11", "c++20"]}
ALLOWED = "#include <stddef.h>\n#include <stdint.h>\n#include <stdbool.h>\n"
# What a header's macros expand to must compile as well.
USES = {
    "chan.h": "struct job { int number; };\nCCONC_CHAN_OF(struct job, jobs);\n",
    "waitgroup.h": "cconc_waitgroup used(void);\n"
                   "cconc_waitgroup used(void) { cconc_waitgroup wg = CCONC_WAITGROUP_INIT; "
                   "return wg; }\n",
}
SHOWN = 3  # errors of a header that does not compile
MAIN = "int main(void) { return 0; }\n"
OPENED = re.compile(r"^\.+ (.*)$", re.MULTILINE)


class Language:
    """A compiler in one standard, with the headers that it is allowed to open."""

    def __init__(self, compiler, kind, standard, include):
        self.name = f"{compiler} {standard}"
        self.command = [compiler, "-x", kind, f"-std={standard}", *WARNINGS, "-I" + include,
                        "-fsyntax-only", "-H", "-"]
        self.include = include
        result, self.allowed = self.compile(ALLOWED)
        self.works = result.returncode == 0

    def compile(self, lines):
        """The result of compiling the lines, and the real paths of the headers it opened."""
        result = subprocess.run(self.command, input=lines + MAIN, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return result, {os.path.realpath(path) for path in OPENED.findall(result.stderr)}

    def check(self, header):
        """The faults of one header in this language."""
        line = f"#include <cconc/{header}>\n"
        result, opened = self.compile(line + line + USES.get(header, ""))
        faults = []
        if result.returncode != 0:
            text = [part for part in result.stderr.splitlines() if " error: " in part]
            faults.append(f"{self.name}: does not compile\n    " + "\n    ".join(text[:SHOWN]))
        for path in sorted(opened - self.allowed):
            if not path.startswith(self.include + os.sep):
                faults.append(f"{self.name}: pulls in {path}")
        return faults


def find_languages(compilers, include):
    """The languages that can be checked here; the others are named."""
    languages = []
    for compiler in compilers:
        if not shutil.which(compiler):
            print(f"SKIPPED: {compiler} is not installed")
            continue
        for kind, standards in STANDARDS.items():
            for standard in standards:
                language = Language(compiler, kind, standard, include)
                if language.works:
                    languages.append(language)
                else:
                    print(f"SKIPPED: {language.name} does not work here")
    return languages


def main():
    parser = argparse.ArgumentParser(description="Compile every public header by itself.")
    parser.add_argument("--include", default=os.path.join(ROOT, "include"),
                        help="the folder that holds cconc/, default: this tree's")
    parser.add_argument("compilers", nargs="*", default=COMPILERS, help="default: gcc clang")
    arguments = parser.parse_args()
    include = os.path.realpath(arguments.include)
    headers = sorted(name for name in os.listdir(os.path.join(include, "cconc"))
                     if name.endswith(".h"))
    languages = find_languages(arguments.compilers, include)
    if not any(language.name.endswith("c11") for language in languages):
        sys.exit("headers.py: no compiler for C11")
    faults = 0
    for header in headers:
        for language in languages:
            for fault in language.check(header):
                print(f"include/cconc/{header}:1: {fault}")
                faults += 1
    names = ", ".join(language.name for language in languages)
    print(f"headers: {len(headers)} headers in {len(languages)} languages ({names}), "
          f"{faults} faults")
    return 1 if faults or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
