#!/usr/bin/env python3
"""gate.py - fails unless tests run every line, branch and condition of src/.

SPDX-License-Identifier: MIT

Usage: gate.py BUILD...

Each BUILD is the folder of a build with -Dcoverage=true whose programs ran with LLVM_PROFILE_FILE
in BUILD/profiles. What one of them runs is covered; what none of them compiles does not count.

A branch is covered if its condition was true once and false once; a condition, if two runs of its
decision differ by it alone and in their outcome (MC/DC). Branches and conditions in a macro count
wherever the macro is used; in a header, once for all that include it. The fact of a CHECK is not
counted: it has one outcome. A line opts out by a comment `coverage: never, <reason>`, and if it
ends in a brace, so does its block; a NEVER() opts out too. There may be no more than ten of these.
"""
import bisect
import collections
import glob
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCES = os.path.join(ROOT, "src") + os.sep
MOST_EXCLUSIONS = 10
NEVER = re.compile(r"coverage: never, ([^*]*)")
CHECK = re.compile(r"\bCHECK\(")
EXPANSION = 1 # the kind of a region that stands for a macro
KINDS = ("lines", "branches", "conditions")


class Source:
    """The text of a file, and which of its lines opt out."""

    def __init__(self, path):
        self.name = os.path.relpath(path, ROOT)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.checks = [(match.start(), end_of_brackets(text, match.end() - 1, "()"))
                       for match in CHECK.finditer(text)]
        self.exclusions = {} # line -> reason
        self.excluded = set()
        for number, line in enumerate(self.lines, 1):
            match = NEVER.search(line)
            is_defined = re.match(r"#define", line)
            if match:
                self.exclude(number, match.group(1).strip(), text)
            elif "NEVER()" in line and not is_defined:
                self.exclude(number, "NEVER()", text)

    def exclude(self, number, reason, text):
        self.exclusions[number] = reason
        last = number
        code = self.lines[number - 1].split("/*")[0].rstrip()
        if code.endswith("{"):
            brace = self.starts[number - 1] + len(code) - 1
            last = bisect.bisect_right(self.starts, end_of_brackets(text, brace, "{}"))
        self.excluded.update(range(number, last + 1))

    def is_checked(self, line, column):
        """Is this place within a CHECK?"""
        place = self.starts[line - 1] + column - 1
        return any(start <= place < end for start, end in self.checks)


def end_of_brackets(text, start, pair):
    """The place of the bracket that closes the one at start."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == pair[0]) - (text[place] == pair[1])
        if depth == 0:
            return place
    return len(text)


class Coverage:
    """What all builds together ran: (kind, file, place) -> was it covered?"""

    def __init__(self):
        self.sources = {}
        self.found = {kind: {} for kind in KINDS}
        self.homes = collections.defaultdict(set) # name of a static function -> its files
        self.known = set()  # (file, line) where functions begin that some object calls
        self.unused = set() # the same, with the last line, of those that one does not call

    def source(self, path):
        if path not in self.sources:
            self.sources[path] = Source(path)
        return self.sources[path]

    def add(self, kind, path, place, is_covered, text):
        known = self.found[kind].get((path, place), (False, text))
        self.found[kind][path, place] = (known[0] or is_covered, text)

    def add_export(self, export):
        known, unused = set(), set()
        for function in export["functions"]:
            path, (first, _, last, *_) = function["filenames"][0], function["regions"][0]
            if function["count"] > 0 or len(function["regions"]) > 1:
                known.add((path, first))
            else:
                unused.add((path, first, last))
        unused = {entry for entry in unused if entry[:2] not in known}
        self.known |= known
        self.unused |= unused
        skipped = {(path, number) for path, first, last in unused
                   for number in range(first, last + 1)}
        for file in export["files"]:
            if file["filename"].startswith(SOURCES):
                self.add_lines(file, skipped)
        for function in export["functions"]:
            path = function["filenames"][0]
            if path.startswith(SOURCES):
                if path.endswith(".c"):
                    self.homes[function["name"]].add(path)
                self.add_function(path, function)

    def add_lines(self, file, skipped):
        """Lines have the greatest count of the regions on them, as in llvm-cov's own reports. An
        object that does not call an inline function has one region for all of it, even for what
        the preprocessor skips: what its lines are is said by another object."""
        segments = collections.defaultdict(list)
        for segment in file["segments"]:
            segments[segment[0]].append(segment)
        around = None # the region that the line begins in
        for number in range(min(segments, default=0), max(segments, default=-1) + 1):
            here = segments[number]
            starts = [s for s in here if s[3] and s[4] and not s[5]]
            is_skipped = bool(here) and not here[0][3] and here[0][4]
            counts = [s[2] for s in starts]
            if around and around[3]:
                counts.append(around[2])
            if counts and not is_skipped and (file["filename"], number) not in skipped:
                self.add("lines", file["filename"], (number,), max(counts) > 0, "never runs")
            if here:
                around = here[-1]

    def add_unused(self):
        """The lines of functions that no object calls."""
        for path, first, last in self.unused:
            if path.startswith(SOURCES) and (path, first) not in self.known:
                for number in range(first, last + 1):
                    self.add("lines", path, (number,), False, "never runs")

    def add_function(self, path, function):
        """Branches and decisions in macros are told apart by where the macro is used."""
        files = function["filenames"]
        sites = {region[6]: region for region in function["regions"] if region[7] == EXPANSION}
        for region in function["branches"]:
            line, column, file = region[0], region[1], region[6]
            trail = [(line, column)]
            if self.is_checked(files[file], line, column):
                continue
            while file in sites:
                line, column, file = sites[file][0], sites[file][1], sites[file][5]
                trail.append((line, column))
                if self.is_checked(files[file], line, column):
                    break
            else:
                for way, count in (("true", region[4]), ("false", region[5])):
                    self.add("branches", files[file], (line, column, way, *trail[:-1]), count > 0,
                             f"never {way}: {self.text(files[region[6]], region)}")
        self.add_decisions(path, function, sites)

    def add_decisions(self, path, function, sites):
        """Their records do not name the file, so the n-th one at a place is the n-th use there."""
        uses = collections.Counter()
        for record in function["mcdc_records"]:
            place = tuple(record[:4])
            uses[place] += 1
            file = self.file_of(function, place)
            line, column = place[:2]
            if file != path:
                line, column = self.use_of(function, sites, file, place, uses[place])
            if self.is_checked(path, line, column):
                continue
            for index, is_covered in enumerate(record[6]):
                self.add("conditions", path, (line, column, index, place), is_covered,
                         f"condition {index + 1} never decides: {self.text(file, place)}")

    @staticmethod
    def file_of(function, place):
        for region in function["regions"]:
            if tuple(region[:4]) == place:
                return function["filenames"][region[5]]
        return function["filenames"][0]

    @staticmethod
    def use_of(function, sites, path, place, ordinal):
        """Where the function uses the macro with this decision for the ordinal-th time."""
        seen = 0
        for region in function["regions"]:
            file = region[5]
            if tuple(region[:4]) == place and function["filenames"][file] == path:
                seen += 1
                if seen == ordinal:
                    while sites[file][5] in sites:
                        file = sites[file][5]
                    return sites[file][0], sites[file][1]
        return place[:2]

    def is_checked(self, path, line, column):
        return path.startswith(SOURCES) and self.source(path).is_checked(line, column)

    def text(self, path, region):
        if not path.startswith(SOURCES):
            return os.path.basename(path)
        lines = self.source(path).lines[region[0] - 1:region[2]]
        lines[-1] = lines[-1][:region[3] - 1]
        lines[0] = lines[0][region[1] - 1:]
        return " ".join(" ".join(lines).split())

    def namesakes(self):
        """Static functions that the profiles cannot tell apart."""
        return [f"{name} is in {' and '.join(sorted(files))}"
                for name, files in sorted(self.homes.items()) if len(files) > 1]


def objects_of(build):
    """The programs, which have the library inside, and apart from them the library as the tester
    has it, where that was built: of a function that two objects have, llvm-cov looks only at the
    first one's code, and for a profile of just that code. The tester's has the CHECKs."""
    paths = sorted(glob.glob(os.path.join(build, "tests", "*")))
    yield [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]
    tester = os.path.join(build, "tests", "model", "libmodel_cconc.so")
    if os.path.exists(tester):
        yield [tester]


def exports_of(build):
    """What llvm-cov makes of the profiles of a build."""
    merged = os.path.join(build, "merged.profdata")
    profiles = glob.glob(os.path.join(build, "profiles", "*.profraw"))
    if not profiles:
        sys.exit(f"gate.py: there are no profiles in {build}/profiles")
    subprocess.run(["llvm-profdata-19", "merge", "--sparse", "-o", merged, *profiles], check=True)
    for first, *others in objects_of(build):
        command = ["llvm-cov-19", "export", f"-instr-profile={merged}", first]
        for path in others:
            command += ["--object", path]
        # It warns of functions that one program has and another has not.
        result = subprocess.run(command + [SOURCES], check=True, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
        yield json.loads(result.stdout)["data"][0]


def print_table(counts):
    def row(name, numbers):
        cells = []
        for covered, total in numbers:
            percent = 100 * covered / total if total else 100
            cells.append(f"{total - covered:8} {total:6} {percent:6.2f} %")
        print(f"{name:26}" + " ".join(cells))

    print(f"{'':26}" + " ".join(f"{'no ' + kind:>24}" for kind in KINDS))
    groups = collections.defaultdict(lambda: [[0, 0] for _ in KINDS])
    for name in sorted(counts):
        row(name, counts[name])
        for group in (os.path.dirname(name), "src, all of it"):
            for total, number in zip(groups[group], counts[name]):
                total[0] += number[0]
                total[1] += number[1]
    print()
    for group in sorted(groups):
        row(group, groups[group])


def judge(coverage):
    """Prints everything; gives whether the gate is open."""
    counts = collections.defaultdict(lambda: [[0, 0] for _ in KINDS])
    missing = []
    for index, kind in enumerate(KINDS):
        for (path, place), (is_covered, text) in coverage.found[kind].items():
            source = coverage.source(path)
            if place[0] in source.excluded:
                continue
            counts[source.name][index][0] += is_covered
            counts[source.name][index][1] += 1
            if not is_covered:
                missing.append((source.name, place[0], index, str(place), text, source))
    for name, line, _, _, text, source in sorted(missing, key=lambda entry: entry[:4]):
        shown = source.lines[line - 1].strip()
        print(f"{name}:{line}: {text}" + (f"    in: {shown}" if shown not in text else ""))
    exclusions = [f"{source.name}:{line}: excluded: {reason}"
                  for source in coverage.sources.values()
                  for line, reason in sorted(source.exclusions.items())]
    namesakes = coverage.namesakes()
    print(*sorted(exclusions), *namesakes, "", sep="\n")
    print_table(counts)
    print(f"\ncoverage: {len(missing)} missing, {len(exclusions)} exclusions of at most "
          f"{MOST_EXCLUSIONS}, {len(namesakes)} namesakes")
    return not missing and not namesakes and len(exclusions) <= MOST_EXCLUSIONS


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    coverage = Coverage()
    for build in sys.argv[1:]:
        for export in exports_of(build):
            coverage.add_export(export)
    coverage.add_unused()
    for folder, _, names in os.walk(SOURCES): # opt-outs count in code that is not compiled here too
        for name in names:
            if name.endswith((".c", ".h")):
                coverage.source(os.path.join(folder, name))
    sys.exit(0 if judge(coverage) else 1)


main()
