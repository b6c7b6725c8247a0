"""rules_api.py - L8 public functions, L9 mirror files, L10 symbols.
SPDX-License-Identifier: MIT
"""
import re
import subprocess

from csource import CALL
from tree import is_below

PUBLIC = re.compile(r"^CCONC_API\b[^;{]*?\b(cconc_\w+)\s*\([^;{]*[;{]", re.MULTILINE)


def public_functions(source):
    """(name, first line) of each exported function that a header declares."""
    return [(m.group(1), source.line_of(m.start())) for m in PUBLIC.finditer(source.plain)]


def check_l8(tree):
    called = set()
    for source in tree.c_files("tests"):
        called |= set(CALL.findall(source.plain))
    for source in tree.c_files("include"):
        for name, line in public_functions(source):
            if not has_contract(source, line):
                tree.report("L8", source, line, f"{name} has no contract above it")
            if name not in called:
                tree.report("L8", source, line, f"no test calls {name}")


def has_contract(source, line):
    """A comment ends right above the declaration, or above the group of lines it stands in."""
    while line > 1 and source.lines[line - 2].strip():
        line -= 1
        if any(comment.alone and comment.last == line for comment in source.by_line.get(line, [])):
            return True
    return False


def check_l9(tree):
    paths = tree.sources.keys()
    for header in tree.c_files("include"):
        name = header.base()
        if f"src/prim/{name}.c" in paths or f"src/task/{name}.c" in paths:
            check_mirrors(tree, header, name)
    for path in paths:
        match = re.match(r"examples/(\w+)(?:/\w+)?\.c$", path)
        if match and f"tests/examples/{match.group(1)}.sh" not in paths:
            tree.report("L9", path, 1, f"no tests/examples/{match.group(1)}.sh runs this")


def check_mirrors(tree, header, name):
    """model and bench count from the day their folder exists."""
    paths = tree.sources.keys()
    for folder in ("unit", "stress", "model", "bench"):
        mirror = f"tests/{folder}/{name}.c"
        has_folder = any(is_below(path, ("tests/" + folder,)) for path in paths)
        if (has_folder or folder in ("unit", "stress")) and mirror not in paths:
            tree.report("L9", header, 1, f"{name} has no {mirror}")
    if not any(re.match(rf"examples/{name}_\w+\.c$", path) for path in paths):
        tree.report("L9", header, 1, f"{name} has no examples/{name}_<pattern>.c")


def symbols(command, path):
    """(type, name) of each symbol that nm lists, versions cut off."""
    result = subprocess.run(command + [path], text=True, check=True, stdout=subprocess.PIPE)
    for line in result.stdout.splitlines():
        parts = line.split()
        if len(parts) >= 2 and len(parts[-2]) == 1:
            yield parts[-2], parts[-1].partition("@")[0]


def check_shared(tree, path):
    """The shared library exports public names only; the node of the version script is no name."""
    for kind, name in symbols(["nm", "-D", "--defined-only"], path):
        is_version = kind == "A" and name.startswith("CCONC_")
        if not is_version and not re.match(r"cconc_[a-z]", name):
            tree.report("L10", path, 1, f"exports {name}")


def check_archive(tree, path):
    for _, name in symbols(["nm", "-g", "--defined-only"], path):
        if not name.startswith("cconc_"):
            tree.report("L10", path, 1, f"has the global {name}")
