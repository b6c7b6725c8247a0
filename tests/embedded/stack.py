#!/usr/bin/env python3
"""stack.py - the stack of the library as built for the host: frames, variable arrays, recursion.
SPDX-License-Identifier: MIT

Usage: stack.py [--list]

No frame is over 1 KiB, none has a size that is known at run time only (-Wvla, -Walloca, and what
gcc says of each frame), and no function comes to be called from itself, by name or by pointer, but
where pointers.txt says why. Each call by a pointer must stand there. --list tells the deepest chain
of each public function. footprint.py looks at the same on small machines.
"""
import glob
import multiprocessing.pool
import os
import re
import shutil
import subprocess
import sys
import tempfile

import callgraph
from machines import ROOT, SKIP, object_path, sources

COMMAND = ["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Werror=vla", "-Werror=alloca",
           *callgraph.OPTIONS, "-c"]

# What must be found in a file that has it, each with a word of the fault.
SAMPLES = {
    "recursion again": "int again(int n) { return n > 0 ? again(n - 1) + again(n - 2) : 1; }",
    "the frame of large": "void out(char *); void large(void) { char room[2000]; out(room); }",
    "calls by pointer": "int by_pointer(int (*fn)(void)) { return fn() + 1; }",
    "has no bound": "void out(char *); void grow(int n) { char room[n]; out(room); }",
}
SAMPLE_OPTIONS = ["-fno-optimize-sibling-calls", "-Wno-error"]


def compile_one(path, folder, *options):
    include = ["-I" + os.path.join(ROOT, "include"), "-I" + os.path.join(ROOT, "src")]
    command = [*COMMAND, *options, *include, path, "-o", object_path(path, folder)]
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def read_graph(folder, code):
    return callgraph.CallGraph(folder, code, *callgraph.read_pointers())


def check_samples():
    """The samples whose fault is not found."""
    faults = []
    for word, text in SAMPLES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "sample.c")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text + "\n")
            compile_one(path, folder, *SAMPLE_OPTIONS)
            found = callgraph.faults(read_graph(folder, callgraph.Code()), callgraph.FRAME)
            if not any(word in fault for fault in found):
                faults.append(f"a sample has no fault of '{word}', but {found}")
    return faults


def check_pointers(graph):
    """Functions of pointers.txt that are none."""
    pointers, again = callgraph.read_pointers()
    names = set(pointers) | {name for pair in again for name in pair}
    names |= {name for targets in pointers.values() for name in targets} - {callgraph.PROGRAM}
    text = "".join(open(path, encoding="utf-8").read()
                   for path in glob.glob(os.path.join(ROOT, "src", "*", "*.[ch]")))
    faults = [f"pointers.txt: {name} is no function" for name in sorted(names)
              if not re.search(rf"\b{name}\(", text)]
    faults += [f"pointers.txt: {caller} does not call {target}" for caller, target in sorted(again)
               if target not in graph.calls[caller]]
    return faults


def list_depths(graph):
    for name in sorted(graph.frames):
        if re.match(r"cconc_[a-z]", name):
            size, chain = graph.depth(name)
            print(f"{size:6} {' > '.join(chain)}")


def main():
    if not shutil.which("gcc"):
        print("SKIP because gcc is not installed")
        return SKIP
    faults = check_samples()
    with tempfile.TemporaryDirectory() as folder:
        with multiprocessing.pool.ThreadPool() as pool:
            results = pool.map(lambda path: compile_one(path, folder), sources())
        faults += [result.stdout for result in results if result.returncode != 0]
        graph = read_graph(folder, callgraph.Code())
    faults += callgraph.faults(graph, callgraph.FRAME) + check_pointers(graph)
    if "--list" in sys.argv[1:]:
        list_depths(graph)
    largest = max(graph.frames, key=lambda name: graph.frames[name].size)
    print(f"stack: {len(graph.frames)} functions, the largest frame is {largest}'s, "
          f"{graph.frames[largest].size} bytes; {len(graph.again)} calls that close a cycle; "
          f"{len(faults)} faults")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
