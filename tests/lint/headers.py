#!/usr/bin/env python3
"""headers.py - compiles every public header by itself, in every language it promises.
SPDX-License-Identifier: MIT

Each header is compiled alone and twice in one unit, as C99 to C2x and C++11 to C++20, with all
warnings as errors, by gcc and by clang where they are installed. It may pull in nothing but
<stddef.h>, <stdint.h>, <stdbool.h>, what those pull in, and other headers of ours. All headers
together are compiled in the order of their names and in the reverse: each comes before each other.
With --all by every compiler that the library is tested with, in every standard.
"""
import argparse
import itertools
import multiprocessing.pool
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WARNINGS = {
    "all": ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow",
            "-Wundef", "-Wformat=2", "-Werror"],
    "c": ["-Wc++-compat"],
    "c++": ["-Wold-style-cast", "-Wzero-as-null-pointer-constant"],
    # All of clang's, but those that say no more than which standard is used, that a struct has
    # padding, that a macro is not used in this unit, that pointers have no bounds.
    "clang": ["-Weverything", "-Wno-c++98-compat", "-Wno-c++98-compat-pedantic",
              "-Wno-c++-keyword", "-Wno-declaration-after-statement", "-Wno-padded",
              "-Wno-pre-c11-compat", "-Wno-pre-c2x-compat", "-Wno-pre-c23-compat",
              "-Wno-unknown-warning-option", "-Wno-unsafe-buffer-usage", "-Wno-unused-macros"],
}
COMPILERS = ["gcc", "clang"]
ALL_COMPILERS = ["gcc-11", "gcc-12", "clang-14", "clang-16", "clang-19"]
STANDARDS = {"c": ["c99", "c11", "c17"], "c++": ["c++11", "c++20"]}
ALL_STANDARDS = {"c": ["c99", "c11", "c17", "c2x"], "c++": ["c++11", "c++14", "c++17", "c++20"]}
ALLOWED = "#include <stddef.h>\n#include <stdint.h>\n#include <stdbool.h>\n"
# What a header's macros expand to must compile as well.
USES = {
    "chan.h": "struct job { int number; };\nCCONC_CHAN_OF(struct job, jobs);\n",
    "waitgroup.h": "cconc_waitgroup used(void);\n"
                   "cconc_waitgroup used(void) { cconc_waitgroup wg = CCONC_WAITGROUP_INIT; "
                   "return wg; }\n",
    "once.h": "cconc_once used(void);\n"
              "cconc_once used(void) { cconc_once once = CCONC_ONCE_INIT; return once; }\n",
}
ATTRIBUTES = {"CCONC_API", "CCONC_COLD", "CCONC_EXPORTED", "CCONC_HAS_ATOMIC_BUILTINS",
              "CCONC_NODISCARD", "CCONC_UNUSED"}
CONSTANT = re.compile(r"^#define (CCONC_\w+) +[^{\s]", re.MULTILINE)
SHOWN = 3  # errors of a header that does not compile
MAIN = "int main(void) { return 0; }\n"
OPENED = re.compile(r"^\.+ (.*)$", re.MULTILINE)


def constants(text):
    """Uses of every macro that is a number or a string."""
    names = [name for name in CONSTANT.findall(text)
             if not name.endswith(("_H", "_DECLS")) and name not in ATTRIBUTES]
    lines = "".join(f"    (void)({name});\n" for name in names)
    return f"void constants(void);\nvoid constants(void)\n{{\n{lines}}}\n"


class Language:
    """A compiler in one standard, with the headers that it is allowed to open."""

    def __init__(self, compiler, kind, standard, include, flags=()):
        self.name = " ".join([compiler, *flags, standard])
        family = "clang" if compiler.startswith("clang") else "gcc"
        self.command = [compiler, *flags, "-x", kind, f"-std={standard}",
                        *WARNINGS.get(family, []), *WARNINGS["all"], *WARNINGS[kind],
                        "-I" + include, "-fsyntax-only", "-H", "-"]
        self.include = include
        result, self.allowed = self.compile(ALLOWED)
        self.works = result.returncode == 0

    def compile(self, lines):
        """The result of compiling the lines, and the real paths of the headers it opened."""
        result = subprocess.run(self.command, input=lines + MAIN, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return result, {os.path.realpath(path) for path in OPENED.findall(result.stderr)}

    def check(self, headers, uses):
        """The faults of including the headers, and then all of them again."""
        lines = "".join(f"#include <cconc/{header}>\n" for header in headers)
        result, opened = self.compile(lines + lines + uses)
        faults = []
        if result.returncode != 0:
            text = [part for part in result.stderr.splitlines() if " error: " in part]
            faults.append(f"{self.name}: does not compile\n    " + "\n    ".join(text[:SHOWN]))
        for path in sorted(opened - self.allowed):
            if not path.startswith(self.include + os.sep):
                faults.append(f"{self.name}: pulls in {path}")
        return faults


def find_languages(compilers, standards, include):
    """The languages that can be checked here; the others are named."""
    languages = []
    for compiler in compilers:
        if not shutil.which(compiler):
            print(f"SKIPPED: {compiler} is not installed")
            continue
        for kind, names in standards.items():
            for standard in names:
                language = Language(compiler, kind, standard, include)
                if language.works:
                    languages.append(language)
                else:
                    print(f"SKIPPED: {language.name} does not work here")
    return languages


def find_units(include):
    """(name, headers, uses) of what is compiled: each header alone, and all in two orders."""
    folder = os.path.join(include, "cconc")
    headers = sorted(name for name in os.listdir(folder) if name.endswith(".h"))
    units = []
    for header in headers:
        with open(os.path.join(folder, header), encoding="utf-8") as file:
            units.append((header, [header], USES.get(header, "") + constants(file.read())))
    return units + [("cconc.h", headers, ""), ("cconc.h", headers[::-1], "")] if units else []


def check_all(languages, units):
    """Compile each unit in each language and print what is wrong. Returns the number of faults."""
    work = [(name, language, headers, uses)
            for language, (name, headers, uses) in itertools.product(languages, units)]
    with multiprocessing.pool.ThreadPool(os.cpu_count()) as pool:
        found = pool.map(lambda item: item[1].check(*item[2:]), work)
    faults = 0
    for item, lines in zip(work, found):
        for line in lines:
            print(f"include/cconc/{item[0]}:1: {line}")
            faults += 1
    return faults


def main():
    parser = argparse.ArgumentParser(description="Compile every public header by itself.")
    parser.add_argument("--include", default=os.path.join(ROOT, "include"),
                        help="the folder that holds cconc/, default: this tree's")
    parser.add_argument("--all", action="store_true", help="all compilers, all standards")
    parser.add_argument("compilers", nargs="*", help="default: gcc clang")
    arguments = parser.parse_args()
    include = os.path.realpath(arguments.include)
    compilers = arguments.compilers or (ALL_COMPILERS if arguments.all else COMPILERS)
    languages = find_languages(compilers, ALL_STANDARDS if arguments.all else STANDARDS, include)
    if not any(language.name.endswith("c11") for language in languages):
        sys.exit("headers.py: no compiler for C11")
    units = find_units(include)
    faults = check_all(languages, units)
    names = ", ".join(language.name for language in languages)
    print(f"headers: {len(units)} units in {len(languages)} languages ({names}), {faults} faults")
    return 1 if faults or not units else 0


if __name__ == "__main__":
    sys.exit(main())
