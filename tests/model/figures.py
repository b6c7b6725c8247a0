#!/usr/bin/env python3
"""figures.py - what the tester has explored, a row for each primitive, as a table in Markdown.
SPDX-License-Identifier: MIT

Usage: figures.py BUILD_FOLDER

It reads model.log and mutants.log of the last `tests/run.sh --only model` in that folder.
"""
import collections
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ROW = re.compile(r"^(\w+) +(\d+) +(all|-?\d+|self) +(\d+) +(\d+)", re.MULTILINE)
COLUMNS = ("scenarios", "all", "bound 3", "interleavings", "mutants")


def primitive_of(path, names):
    """The longest name of a public header that the file's name begins with, else its own name."""
    base = os.path.basename(path)[:-len(".c")]
    found = [name for name in names if base == name or base.startswith(name + "_")]
    return max(found, key=len) if found else base


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


def main():
    folder = sys.argv[1]
    names = [name[:-2] for name in os.listdir(os.path.join(ROOT, "include/cconc"))]
    listed = subprocess.run([os.path.join(folder, "tests/model/model"), "--list"], text=True,
                            check=True, stdout=subprocess.PIPE).stdout.split()
    primitives = {name: primitive_of(path, names) for name, path in zip(listed[::2], listed[1::2])}
    table = collections.defaultdict(lambda: [0] * len(COLUMNS))
    for name, explored, complete, _, _ in ROW.findall(read(folder, "model.log")):
        if complete == "self":
            continue
        row = table[primitives[name]]
        row[0] += 1
        row[1] += complete == "all"
        row[2] += complete == "all" or int(complete) >= 3
        row[3] += int(explored)
    for killer in re.findall(r"killed by (\w+)$", read(folder, "mutants.log"), re.MULTILINE):
        table[primitives.get(killer, "other builds")][4] += 1
    print("| primitive | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    total = [sum(row[i] for row in table.values()) for i in range(len(COLUMNS))]
    for name, row in sorted(table.items()) + [("**together**", total)]:
        print(f"| {name} | " + " | ".join(f"{n:,}" for n in row) + " |")


if __name__ == "__main__":
    main()
