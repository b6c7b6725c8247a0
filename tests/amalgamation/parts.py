#!/usr/bin/env python3
"""parts.py - compiles cconc.c with parts left out, and runs the unit tests of those that are there.
SPDX-License-Identifier: MIT

Usage: parts.py sets|units SOURCE_FOLDER BUILD_FOLDER COMPILER

sets   Each part alone, with what it needs, and 50 random sets, other ones for each commit. They
       compile without a warning; what is public is the functions of the set's headers and no more,
       and nothing of the library is missing. A set that lacks what a part of it needs is refused.
units  Each part alone: the unit tests that call nothing else are linked with it, and pass; if all
       do, then with those that the most modest one calls. BUILD_FOLDER is one with the option
       amalgamation.
"""
import concurrent.futures
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

what, SOURCE, BUILD, COMPILER = sys.argv[1:]
sys.path.insert(0, os.path.join(SOURCE, "src", "tools"))

from amalgamate import PARTS, collect, public_functions, switch # noqa: E402

RANDOM_SETS = 50
FLAGS = ["-std=c11", "-O0", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"]


def closed(parts):
    """The parts and all that they need."""
    parts = set(parts)
    return parts.union(*(closed(PARTS[part]) for part in parts))


def choose_sets():
    commit = subprocess.run(["git", "-C", SOURCE, "rev-parse", "HEAD"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    chance = random.Random(commit)
    sets = [closed([part]) for part in PARTS] + [set()]
    for _ in range(RANDOM_SETS):
        sets.append(closed(part for part in PARTS if chance.random() < 0.4))
    return sets


def header_functions(name):
    path = next(path for path in HEADERS if path.name == name + ".h")
    return set(public_functions([HEADERS[path]]))


def expected_functions(parts):
    """Those of the headers, and of static.h those of objects of these parts."""
    names = set().union(*(header_functions(path.stem) for path in HEADERS
                          if path.stem not in ({*PARTS, "static"} - parts)))
    static = {name for name in header_functions("static")
              if re.match(r"cconc_([a-z]+)_", name).group(1) in parts}
    return names | static


def defines_of(parts):
    return ["-DCCONC_ENABLE_ALL=0", *(f"-D{switch(part)}=1" for part in sorted(parts))]


def symbols(path):
    """The public names that an object defines, and those that it needs."""
    text = subprocess.run(["nm", "-g", path], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    defined, needed = set(), set()
    for line in text.splitlines():
        kind, name = line.split()[-2:]
        if re.match(r"(sweep_)?cconc_(?!_)", name):
            (needed if kind in "Uw" else defined).add(name.removeprefix("sweep_"))
    return defined, needed - defined


def compile_to(target, source, *flags):
    """What the compiler has to say, or an empty text."""
    command = [COMPILER, *FLAGS, *flags, "-I" + os.path.join(BUILD, "src"), "-c", source,
               "-o", target]
    return subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout


def check_set(folder, number, parts):
    """The faults of a set."""
    name = ", ".join(sorted(parts)) or "no part"
    target = os.path.join(folder, f"{number}.o")
    said = compile_to(target, os.path.join(BUILD, "src", "cconc.c"), *defines_of(parts))
    if said:
        return [f"{name}: {said}"]
    defined, needed = symbols(target)
    expected = expected_functions(parts)
    return ([f"{name}: defines {function}" for function in sorted(defined - expected)] +
            [f"{name}: does not define {function}" for function in sorted(expected - defined)] +
            [f"{name}: needs {function}" for function in sorted(needed)])


def check_refusals(folder):
    """The faults of sets that lack something."""
    faults = []
    for part, needs in PARTS.items():
        for needed in needs:
            said = compile_to(os.path.join(folder, "refused.o"),
                              os.path.join(BUILD, "src", "cconc.c"),
                              f"-D{switch(part)}=1", f"-D{switch(needed)}=0")
            if f"{switch(part)} needs {switch(needed)}" not in said:
                faults.append(f"{part} without {needed} is not refused")
    return faults


def check_sets():
    sets = choose_sets()
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor() as pool:
        found = pool.map(lambda entry: check_set(folder, *entry), enumerate(sets))
        faults = [fault for faults in found for fault in faults] + check_refusals(folder)
    print(*faults, f"parts: {len(sets)} sets, {len(faults)} faults", sep="\n")
    return not faults


def unit_programs():
    """Name of a unit program -> its object and its link command."""
    text = subprocess.run(["meson", "introspect", BUILD, "--tests"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    programs = {}
    for test in json.loads(text):
        name = os.path.relpath(test["cmd"][-1], os.path.realpath(BUILD))
        base = os.path.basename(name)
        if re.match(rf"unit_({'|'.join(PARTS)})(_|$)", base):
            command = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", name], check=True,
                                     text=True, stdout=subprocess.PIPE).stdout
            programs[base] = (os.path.join(BUILD, f"{name}.p/{base}.c.o"),
                              command.splitlines()[-1].split())
    return programs


def run_unit(folder, part, library, absent, name, command):
    """The fault of one unit program, or an empty text. The tests' library has a form of every call,
    also of those that this one does not make."""
    target = os.path.join(folder, f"{part}-{name}")
    command = [target if word == f"tests/{name}" else word for word in command]
    command = [library if word == "tests/libopened.a" else word for word in command]
    command += [f"-Wl,--defsym={function}=abort" for function in absent]
    linked = subprocess.run(command, cwd=BUILD, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    if linked.returncode != 0:
        return f"{part}: {name} cannot be linked:\n{linked.stdout}"
    ran = subprocess.run([target], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return f"{part}: {name} failed:\n{ran.stdout}" if ran.returncode != 0 else ""


def check_part(folder, part, programs):
    """The faults of a part, and how many programs were run."""
    mine = {name: unit for name, unit in programs.items() if re.match(rf"unit_{part}(_|$)", name)}
    parts = closed([part])
    if not any(needed <= parts for needed, _ in mine.values()):
        parts = closed(parts.union(min((needed for needed, _ in mine.values()), key=len)))
    library = os.path.join(folder, part + ".o")
    said = compile_to(library, os.path.join(BUILD, "tests", "opened.c"), *defines_of(parts),
                      "-DCCONC_INTERNAL=")
    if said:
        return [f"{part}: {said}"], 0
    absent = sorted(expected_functions(set(PARTS)) - symbols(library)[0])
    commands = {name: command for name, (needed, command) in mine.items() if needed <= parts}
    print(f"{', '.join(sorted(parts))}: {', '.join(sorted(commands))}")
    results = [run_unit(folder, part, library, absent, *entry) for entry in commands.items()]
    return [result for result in results if result], len(commands)


def check_units():
    home = {function: part for part in PARTS for function in expected_functions({part})}
    always = expected_functions(set())
    programs = {}
    for name, (path, command) in unit_programs().items():
        needed = {home[function] for function in symbols(path)[1] - always}
        programs[name] = (needed, command)
    faults, count = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            found, ran = check_part(folder, part, programs)
            faults += found
            count += ran
    print(*faults, f"parts: {count} unit tests, {len(faults)} faults", sep="\n")
    return not faults


HEADERS = collect(sorted((pathlib.Path(SOURCE) / "include" / "cconc").glob("*.h")))
sys.exit(0 if {"sets": check_sets, "units": check_units}[what]() else 1)
