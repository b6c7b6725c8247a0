"""rules_sizes.py - L5 sizes: functions, files, lines, frames, variable arrays, recursion.
SPDX-License-Identifier: MIT
"""
import ast
import glob
import os
import re
import subprocess
import tempfile

from csource import find_cycles
from tree import is_below

FUNCTION_LINES = 70
FILE_LINES = 600
LINE_COLUMNS = 100
FRAME_BYTES = 1024
MEASURED = ("include", "src", "tests", "examples")
WARNING = re.compile(r"^(?P<path>[^:\n]+):(?P<line>\d+):\d+: (?:error|warning): (?P<text>.*)$",
                     re.MULTILINE)


def check_l5(tree):
    for source in tree.scripts():
        if is_below(source.path, MEASURED):
            check_lines(tree, source)
    for source in tree.c_files(*MEASURED):
        for function in source.functions:
            check_function(tree, source, function.name, function.first, function.last)
    check_recursion(tree)


def check_lines(tree, source):
    count = len(source.lines) - (source.lines[-1] == "")
    if count > FILE_LINES:
        tree.report("L5", source, 1, f"{count} lines, at most {FILE_LINES}")
    for number, line in enumerate(source.lines, 1):
        if len(line) > LINE_COLUMNS:
            tree.report("L5", source, number, f"{len(line)} columns, at most {LINE_COLUMNS}")
    if source.path.endswith(".py"):
        for node in ast.walk(ast.parse(source.text)):
            if isinstance(node, ast.FunctionDef):
                check_function(tree, source, node.name, node.lineno, node.end_lineno)


def check_function(tree, source, name, first, last):
    count = last - first + 1
    if count > FUNCTION_LINES:
        tree.report("L5", source, first, f"{name} has {count} lines, at most {FUNCTION_LINES}")


def check_recursion(tree):
    """Functions of the library that reach themselves by name; calls by pointer are not seen."""
    shared, places = {}, {}
    sources = tree.c_files("src", "include")
    for source in sources:
        for function in source.functions:
            key = (source.path, function.name)
            places[key] = (source, function)
            if not function.is_static or source.path.endswith(".h"):
                shared[function.name] = key
    graph = {}
    for key, (source, function) in places.items():
        own = {f.name: (source.path, f.name) for f in source.functions}
        graph[key] = {own.get(name) or shared.get(name) for name in function.calls()} - {None}
    for cycle in find_cycles(graph):
        source, function = places[cycle[0]]
        names = " -> ".join(name for _, name in cycle)
        tree.report("L5", source, function.first, f"recursion {names}")


def compile_sources(tree, compiler):
    """Compile src with the compiler, for variable arrays and for the frames it makes."""
    with tempfile.TemporaryDirectory() as folder:
        for number, source in enumerate(tree.c_files("src")):
            if not source.path.endswith(".c"):
                continue
            output = os.path.join(folder, f"{number}.o")
            command = [compiler, "-std=c11", "-D_GNU_SOURCE", "-O2", "-Iinclude", "-Isrc", "-Wvla",
                       "-fstack-usage", "-c", source.path, "-o", output]
            result = subprocess.run(command, cwd=tree.root, text=True, stderr=subprocess.PIPE)
            report_compiler(tree, source, result)
        check_frames(tree, folder)


def report_compiler(tree, source, result):
    for match in WARNING.finditer(result.stderr):
        if "-Wvla" in match["text"] or "variable length" in match["text"]:
            tree.report("L5", match["path"], int(match["line"]), "variable length array")
    if result.returncode != 0:
        first_line = result.stderr.strip().split("\n")[0]
        tree.report("L5", source, 1, f"does not compile: {first_line}")


def check_frames(tree, folder):
    """Read the .su files that -fstack-usage left below folder."""
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "**", "*.su"), recursive=True)):
        with open(path, encoding="utf-8") as file:
            for entry in file.read().splitlines():
                check_frame(tree, entry)


def check_frame(tree, entry):
    place, size, kind = entry.split("\t")
    path, line, _, name = place.split(":", 3)
    known = [p for p in tree.sources if p.startswith("src/") and ("/" + path).endswith("/" + p)]
    if not known:
        return
    if int(size) > FRAME_BYTES:
        tree.report("L5", known[0], int(line),
                    f"the frame of {name} has {size} bytes, at most {FRAME_BYTES}")
    if kind == "dynamic":
        tree.report("L5", known[0], int(line), f"the frame of {name} has no bound")
