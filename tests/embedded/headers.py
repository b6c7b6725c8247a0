#!/usr/bin/env python3
"""headers.py - compiles every public header by itself, by compilers for machines without a system.
SPDX-License-Identifier: MIT

What tests/lint/headers.py does, for Cortex-M and RISC-V with newlib and with picolibc, for hosts
with -ffreestanding and with -fshort-enums, and by compilers that are not gcc and know none of its
attributes. Those open what they like of the C library, but no header of another name than the three
that are allowed and those that these open. A compiler that is not installed is skipped.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lint"))

from machines import ARM, MACHINES, PICOLIBC, RISCV, compiler_of # noqa: E402
from headers import ALLOWED, MAIN, SHOWN, Language, check_all, find_units # noqa: E402

OTHER_LIBRARY = {ARM: [PICOLIBC], RISCV: ["-ffreestanding"]}
SMALL = [compiler_of(name, library) for name, (tools, _) in MACHINES.items()
         for library in (None, OTHER_LIBRARY[tools])]
HOST = [["gcc", "-ffreestanding"], ["gcc", "-fshort-enums"], ["gcc", "-m32", "-ffreestanding"],
        ["clang-19", "-ffreestanding"]]
STANDARDS = ["c99", "c11", "c2x"]

# Compiler -> the option that has it name the files it opens, and how it does.
OTHERS = {
    "tcc": (["-Wall", "-Werror", "-vvv"], re.compile(r"^->\s+(\S+)$", re.MULTILINE)),
    "pcc": (["-std=c99"], None),
}
INCLUDE_LIST = re.compile(r"^# \d+ \"([^<\"]+)\"", re.MULTILINE)


class Other:
    """A compiler that is not gcc: it compiles a file, and names what it opens in its own way."""

    def __init__(self, compiler, include):
        self.name = compiler
        self.flags, self.opened = OTHERS[compiler]
        self.include = include
        result, self.allowed = self.compile(ALLOWED)
        self.works = result.returncode == 0

    def run(self, source, *arguments):
        return subprocess.run([self.name, *self.flags, "-I" + self.include, *arguments, source],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def compile(self, lines):
        """The result of compiling the lines, and the real paths of the headers it opened."""
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "unit.c")
            with open(source, "w", encoding="utf-8") as file:
                file.write(lines + MAIN)
            result = self.run(source, "-c", "-o", os.path.join(folder, "unit.o"))
            text, pattern = result.stdout + result.stderr, self.opened
            if not pattern:
                text, pattern = self.run(source, "-E").stdout, INCLUDE_LIST
            return result, {os.path.realpath(path) for path in pattern.findall(text)
                            if not path.endswith("unit.c")}

    def check(self, headers, uses):
        """The faults of including the headers, and then all of them again."""
        lines = "".join(f"#include <cconc/{header}>\n" for header in headers)
        if self.name == "pcc": # it crashes on the infinity that CCONC_RATE_INF is
            uses = ""
        result, opened = self.compile(lines + lines + uses)
        faults = []
        if result.returncode != 0:
            text = result.stderr.splitlines()[:SHOWN]
            faults.append(f"{self.name}: does not compile\n    " + "\n    ".join(text))
        for path in sorted(opened - self.allowed):
            if not path.startswith(self.include + os.sep):
                faults.append(f"{self.name}: pulls in {path}")
        return faults


def find_compilers(include):
    """Everything that can be had here; the rest is named."""
    found = []
    for compiler, *flags in SMALL + HOST:
        if not shutil.which(compiler):
            print(f"SKIPPED: {compiler} is not installed")
            continue
        for standard in STANDARDS:
            found.append(Language(compiler, "c", standard, include, flags))
    for compiler in OTHERS:
        if not shutil.which(compiler):
            print(f"SKIPPED: {compiler} is not installed")
            continue
        found.append(Other(compiler, include))
    for language in found:
        if not language.works:
            print(f"SKIPPED: {language.name} does not work here")
    return [language for language in found if language.works]


def main():
    parser = argparse.ArgumentParser(description="Compile every public header for small machines.")
    parser.add_argument("--include", default=os.path.join(ROOT, "include"),
                        help="the folder that holds cconc/, default: this tree's")
    arguments = parser.parse_args()
    include = os.path.realpath(arguments.include)
    compilers = find_compilers(include)
    units = find_units(include)
    if not any(isinstance(compiler, Language) and "none-eabi" in compiler.name
               for compiler in compilers):
        print("SKIP because arm-none-eabi-gcc is not installed")
        return 77
    faults = check_all(compilers, units)
    print(f"headers: {len(units)} units by {len(compilers)} compilers, {faults} faults")
    return 1 if faults or not units else 0


if __name__ == "__main__":
    sys.exit(main())
