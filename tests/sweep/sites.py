#!/usr/bin/env python3
"""sites.py - finds the calls of the library that a sweep has not failed.
SPDX-License-Identifier: MIT

Usage: sites.py SOURCE_FOLDER SWEEP_DIR

SWEEP_DIR has what the programs of a sweep have written (tests/support/sweep.c): the addresses at
which memory, or a thread, was asked for in vain, once or for good. Each place in SOURCE_FOLDER that
asks must be among them, in both ways. Prints the counts; the status is 1 if one is missing.
"""
import collections
import os
import re
import subprocess
import sys

ASKS = {"memory": "cconc__alloc", "thread": "cconc__thread_start"}


def sites_of(folder, name):
    """"folder/file.c:line" of each call of name; its definition is none."""
    found = set()
    for path, _, files in os.walk(folder):
        for file in files:
            if not file.endswith(".c"):
                continue
            with open(os.path.join(path, file), encoding="utf-8") as source:
                for number, line in enumerate(source, 1):
                    if re.search(rf"\b{name}\(", line) and not re.match(r"\w| \*", line):
                        found.add(f"{os.path.basename(path)}/{file}:{number}")
    return found


def read_addresses(folder):
    """Program -> kind and way -> addresses; and the number of all faults."""
    programs = collections.defaultdict(lambda: collections.defaultdict(set))
    faults = 0
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            program, count = file.readline().rsplit(" ", 1)
            faults += int(count)
            for line in file:
                kind, way, address = line.split()
                programs[program][kind, way].add(int(address, 16))
    return programs, faults


def lines_of(program, addresses):
    """Address -> "folder/file.c:line"; an address is that of the return from the call."""
    listed = sorted(addresses)
    text = subprocess.run(["addr2line", "-e", program, *(hex(at - 1) for at in listed)],
                          stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
    places = [re.sub(r" \(discriminator.*", "", line) for line in text.splitlines()]
    return {at: "/".join(place.split("/")[-2:]) for at, place in zip(listed, places)}


def main():
    source, folder = sys.argv[1:]
    programs, faults = read_addresses(folder)
    hit = collections.defaultdict(set)
    for program, ways in programs.items():
        lines = lines_of(program, set().union(*ways.values())) if ways else {}
        for way, addresses in ways.items():
            hit[way] |= {lines[at] for at in addresses}
    missing = 0
    for kind, name in ASKS.items():
        sites = sites_of(source, name)
        for way in ("once", "for-good"):
            absent = sites - hit[kind, way]
            missing += len(absent)
            print(f"{kind}, {way}: failed at {len(sites - absent)} of {len(sites)} places")
            for place in sorted(absent):
                print(f"    never at {place}")
    print(f"{faults} failures in {len(programs)} programs")
    sys.exit(1 if missing else 0)


main()
