"""callgraph.py - who calls whom, and how much stack that takes, as gcc tells with -fcallgraph-info.
SPDX-License-Identifier: MIT

A call through a pointer leads where pointers.txt says, by the function of the source that it stands
in. cconc__thread_insist() calls the function that it is given: that call counts as its caller's.
A call that pointers.txt names with "again" closes a cycle that is not gone round without end.
"""
import collections
import glob
import os
import re
import sys

from machines import HERE, ROOT, sources

sys.path.insert(0, os.path.join(ROOT, "tests", "lint"))

from csource import Source, find_cycles # noqa: E402

OPTIONS = ["-fcallgraph-info=su"]
PROGRAM = "*"  # in pointers.txt: a function of the program's
INDIRECT = "__indirect_call"
INSIST = "cconc__thread_insist"
MISUSE = "cconc__misuse"
INSISTED = re.compile(INSIST + r"\((\w+),")
NODE = re.compile(r'^node: \{ title: "([^"]+)" label: "[^"]*?(?:\\n(\d+) bytes \(([a-z,]+)\))?"')
EDGE = re.compile(r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"(?: label: "([^"]*)")?')

Frame = collections.namedtuple("Frame", "size kind")


def plain(title):
    """The name of a function without its file, and without what the compiler did to it."""
    return title.rpartition(":")[2].partition(".")[0]


def read_pointers():
    """Function -> the functions that it may call by pointer; and the calls that close a cycle."""
    pointers, again = {}, set()
    with open(os.path.join(HERE, "pointers.txt"), encoding="utf-8") as file:
        for line in file:
            words, _, rest = line.partition(":")
            if words.startswith("again "):
                _, caller, target = words.split()
                again.add((caller, target))
            elif line.strip() and not line.startswith("#"):
                pointers[words.strip()] = rest.split()
    return pointers, again


class Code:
    """Which function of the sources a line is in, and what is insisted on there."""

    def __init__(self):
        self.functions = {}
        for path in sources() + glob.glob(os.path.join(ROOT, "src", "*", "*.h")):
            with open(path, encoding="utf-8") as file:
                source = Source(os.path.relpath(path, ROOT), file.read())
            self.functions[source.path] = source.functions

    def at(self, place):
        """The function at path:line:column, or None; no place is told of what the compiler made."""
        if not place:
            return None
        path, line, _ = place.rsplit(":", 2)
        path = os.path.relpath(os.path.realpath(path), ROOT)
        for function in self.functions.get(path, []):
            if function.first <= int(line) <= function.last:
                return function
        return None

    def insisted(self, place):
        function = self.at(place)
        return INSISTED.findall(function.body) if function else []


class CallGraph:
    """Built from the .ci files of a folder."""

    def __init__(self, folder, code, pointers, again):
        self.frames = {}   # function -> Frame, of the largest of its copies
        self.calls = collections.defaultdict(set)
        self.through = set()  # (caller, called by cconc__thread_insist)
        self.code, self.pointers, self.again = code, pointers, frozenset(again)
        self.faults = []
        self.depths = {}
        for path in sorted(glob.glob(os.path.join(folder, "*.ci"))):
            with open(path, encoding="utf-8") as file:
                self.read(file.read().splitlines())

    def read(self, lines):
        for line in lines:
            node, edge = NODE.match(line), EDGE.match(line)
            if node and node.group(2):
                name, frame = plain(node.group(1)), Frame(int(node.group(2)), node.group(3))
                self.frames[name] = max(frame, self.frames.get(name, frame))
            elif edge:
                self.add(plain(edge.group(1)), plain(edge.group(2)), edge.group(3) or "")

    def add(self, caller, target, place):
        if target == INDIRECT:
            function = self.code.at(place)
            if not function or function.name not in self.pointers:
                where = function.name if function else place
                self.faults.append(f"{where} calls by pointer, and pointers.txt does not say what")
                return
            self.calls[caller] |= set(self.pointers[function.name]) - {PROGRAM}
            return
        self.calls[caller].add(target)
        if target == INSIST:
            for name in self.code.insisted(place):
                self.calls[caller].add(name)
                self.through.add((caller, name))

    def cycles(self):
        """The cycles that no call of pointers.txt closes."""
        return find_cycles({name: {target for target in self.calls[name]
                                   if (name, target) not in self.again}
                            for name in self.frames})

    def depth(self, name, again=None):
        """The stack of the deepest chain of calls from name on, and that chain. A call of again is
        made once. What tells of misuse does not count: it is the end of the program."""
        again = self.again if again is None else again
        key = name, again
        if key not in self.depths:
            frame = self.frames.get(name)
            if not frame or name.startswith(MISUSE):
                self.depths[key] = (0, [])
            else:
                size, chain = max((self.below(name, target, again) for target in self.calls[name]),
                                  default=(0, []))
                self.depths[key] = (size + frame.size, [name] + chain)
        return self.depths[key]

    def below(self, caller, target, again):
        call = caller, target
        if call in self.again:
            return self.depth(target, again - {call}) if call in again else (0, [])
        size, chain = self.depth(target, again)
        if call in self.through:
            size += self.depth(INSIST, again)[0]
        return size, chain


FRAME = 1024       # of a function, in bytes
FRAME_SMALL = 768  # where words have 32 bits


def faults(graph, most):
    """What is wrong with the stack of a build, as lines."""
    found = list(graph.faults)
    for name, frame in sorted(graph.frames.items()):
        if frame.size > most:
            found.append(f"the frame of {name} has {frame.size} bytes, at most {most}")
        if "dynamic" in frame.kind and "bounded" not in frame.kind:
            found.append(f"the frame of {name} has no bound")
    for cycle in graph.cycles():
        found.append(f"recursion {' -> '.join(cycle)}: see pointers.txt")
    return found
