"""rules_layers.py - L1 include direction, L2 platform stays in plat, L3 no fences, no volatile.
SPDX-License-Identifier: MIT
"""
import re

from csource import find_cycles
from tree import is_below

LAYERS = {"plat": 0, "core": 1, "prim": 2, "task": 3}

# What diag may see, and what of diag everybody above plat may see.
DIAG_SEES = ("plat", "core", "diag")
DIAG_HOOK = "diag/hook.h"

PLATFORM_WORDS = re.compile(
    r"\bpthread_\w+|\bstdatomic\b|\b_Atomic\b|\bclock_gettime\b|\beventfd\b|\bthrd_\w+|\bmtx_\w+"
    r"|(?<![\w.>])(?:malloc|calloc|realloc|free|aligned_alloc|posix_memalign|strdup)(?=\s*\()")
PLATFORM_HEADERS = re.compile(
    r"^(pthread|threads|stdatomic|semaphore|unistd|sched|poll|time|signal)\.h$|^sys/|^linux/")
PLATFORM_IF = re.compile(
    r"^[ \t]*#[ \t]*(?:el)?if\w*\b(?:[^\n]*\\\n)*[^\n]*?\b(_WIN32|_WIN64|_MSC_VER|linux|unix"
    r"|__(?:linux|gnu_linux|APPLE|MACH|GLIBC|GLIBC_MINOR|UCLIBC|BIONIC|ANDROID|FreeBSD|NetBSD"
    r"|OpenBSD|DragonFly|sun|QNX|CYGWIN|MINGW32|MINGW64|unix|x86_64|i386|aarch64|arm|riscv"
    r"|powerpc|s390x|mips)(?:__)?|_POSIX_\w+|_GNU_SOURCE)\b", re.MULTILINE)

FENCE = re.compile(r"\b(atomic_thread_fence|atomic_signal_fence|__sync_synchronize"
                   r"|__atomic_thread_fence|__atomic_signal_fence)\b")
RAW_ATOMIC = re.compile(r"\b(atomic_\w+(?=\s*\()|memory_order_\w+|__atomic_\w+|__sync_\w+)")
ATOMIC_HEADER = "src/plat/atomic.h"
ATOM_FIELD = re.compile(r"^(?:static\s+)?atom_(?:u32|u64|size|ptr)\b\s+(\w+)")
FIELD_NAME = re.compile(r"(\w+)\s*(?:\[[^\]]*\]\s*)*$")


def check_l1(tree):
    for source in tree.c_files("src", "include", "examples"):
        for line, is_quoted, name in source.includes:
            message = include_fault(source, is_quoted, name)
            if message:
                tree.report("L1", source, line, message)
    check_private_headers(tree)
    check_include_cycles(tree)


def include_fault(source, is_quoted, name):
    """What is wrong with one include, or None."""
    target = name.partition("/")[0]
    if not source.path.startswith("src/"):
        is_internal = target in LAYERS or target == "diag"
        return f"{source.path} includes the internal {name}" if is_internal else None
    if not is_quoted:
        return f"<{name}> is internal: use quotes" if target in LAYERS else None
    layer = source.path.split("/")[1]
    if name == DIAG_HOOK and layer != "plat":
        return None
    if target not in LAYERS and target != "diag":
        return f'"{name}" does not start with a layer'
    if layer == "diag":
        return None if target in DIAG_SEES else f"diag includes {name}"
    if target == "diag" or LAYERS[target] > LAYERS.get(layer, -1):
        return f"{layer} includes {name}, which is not below it"
    return None


def check_private_headers(tree):
    """A primitive uses its own private headers only."""
    primitives = sorted((s.base() for s in tree.c_files("include")), key=len, reverse=True)
    for layer in ("prim", "task"):
        sources = tree.c_files("src/" + layer)
        for source in sources:
            for line, is_quoted, name in source.includes:
                if not is_quoted or not name.startswith(layer + "/"):
                    continue
                mine = owner(source.base(), layer, sources, primitives)
                other = owner(name.rpartition("/")[2][:-2], layer, sources, primitives)
                if mine and other and mine != other:
                    tree.report("L1", source, line, f"{mine} uses a private header of {other}")


def owner(base, layer, sources, primitives):
    """The primitive that a file belongs to: by its name, else by the one whose header it uses."""
    for primitive in primitives:
        if base == primitive or base.startswith(primitive + "_"):
            return primitive
    used = set()
    for source in sources:
        if source.base() == base:
            names = [name for _, is_quoted, name in source.includes if is_quoted]
            used |= {p for p in primitives for name in names
                     if re.match(rf"{layer}/{p}(_\w+)?\.h$", name)}
    return used.pop() if len(used) == 1 else None


def check_include_cycles(tree):
    graph, lines = {}, {}
    for source in tree.c_files("src", "include"):
        targets = graph.setdefault(source.path, set())
        for line, _, name in source.includes:
            for path in ("src/" + name, "include/" + name):
                if path in tree.sources:
                    targets.add(path)
                    lines[source.path, path] = line
    for cycle in find_cycles(graph):
        tree.report("L1", cycle[0], lines[cycle[0], cycle[1]],
                    "include cycle " + " -> ".join(cycle))


def check_l2(tree):
    for source in tree.c_files("src", "include"):
        if is_below(source.path, ("src/plat",)):
            continue
        for match in PLATFORM_WORDS.finditer(source.code):
            line = source.line_of(match.start())
            tree.report("L2", source, line, f"{match.group()} outside plat")
        for line, is_quoted, name in source.includes:
            if not is_quoted and PLATFORM_HEADERS.match(name):
                tree.report("L2", source, line, f"<{name}> outside plat")
        for match in PLATFORM_IF.finditer(source.code):
            tree.report("L2", source, source.line_of(match.start(1)),
                        f"platform #if on {match.group(1)} outside plat")


def check_l3(tree):
    for source in tree.c_files("src", "include", "tests", "examples"):
        for match in FENCE.finditer(source.code):
            tree.report("L3", source, source.line_of(match.start()), f"fence {match.group()}")
    for source in tree.c_files("src", "include"):
        for match in re.finditer(r"(?<!__asm__ )\bvolatile\b", source.code):
            tree.report("L3", source, source.line_of(match.start()), "volatile")
    for source in tree.c_files("src"):
        if source.path == ATOMIC_HEADER:
            continue
        for match in RAW_ATOMIC.finditer(source.code):
            if not FENCE.match(match.group()):
                tree.report("L3", source, source.line_of(match.start()),
                            f"{match.group(1)}: only the operations of plat/atomic.h")
    check_plain_operators(tree)


def check_plain_operators(tree):
    """An atomic field used as if it were none: copied, assigned, or its word taken out."""
    names = atomic_names(tree)
    if not names:
        return
    some = "|".join(sorted(names))
    plain = re.compile(rf"(?:\.|->)({some})\s*(?:\[[^\]]*\]\s*)?"
                       r"(?:(?:[-+|&^]|<<|>>)?=(?!=)|\+\+|--|\.v\b)")
    for source in tree.c_files("src"):
        for match in plain.finditer(source.plain):
            if source.path != ATOMIC_HEADER:
                tree.report("L3", source, source.line_of(match.start(1)),
                            f"plain operator on the atomic {match.group(1)}")


def atomic_names(tree):
    """Field names that are atomic wherever a struct of the library has them."""
    atomic, other = set(), set()
    for source in tree.c_files("src", "include"):
        for struct in source.structs:
            for _, declaration in struct.fields:
                match = ATOM_FIELD.match(declaration)
                if match:
                    atomic.add(match.group(1))
                elif FIELD_NAME.search(declaration):
                    other.add(FIELD_NAME.search(declaration).group(1))
    return atomic - other
