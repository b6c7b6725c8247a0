"""tree.py - the files that the lint looks at, its findings, and the lines that opt out.
SPDX-License-Identifier: MIT
"""
import collections
import functools
import os
import re

from csource import Source

TOP_FOLDERS = ("include", "src", "tests", "examples", "docs", ".ci")
SAMPLES = "tests/lint/samples"
TEXT_ENDINGS = (".c", ".h", ".py", ".sh", ".md", ".map", ".txt", ".build", ".yml", ".pml")
ALLOW = re.compile(r"lint: allow (L\d+),?\s*([^*]*)")

# The samples say PLACEHOLDER for MACHINE_PATH, which no file of the repository may hold.
MACHINE_PATH = "/" "work" "/"
PLACEHOLDER = "@MACHINE" "_PATH@"

Finding = collections.namedtuple("Finding", "path line rule message")


class Tree:
    """All files below root that belong to the project, with what rules have found in them."""

    def __init__(self, root):
        self.root = root
        self.findings = []
        self.sources = {}
        for path in sorted(walk(root)):
            with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
                text = file.read().replace(PLACEHOLDER, MACHINE_PATH)
            self.sources[path] = Source(path, text)

    def report(self, rule, source, line, message):
        path = source if isinstance(source, str) else source.path
        self.findings.append(Finding(path, line, rule, message))

    def c_files(self, *folders):
        return [s for s in self.sources.values() if s.is_c and is_below(s.path, folders)]

    def scripts(self):
        """Files that carry a title and an SPDX line."""
        return [s for s in self.sources.values()
                if s.path.endswith((".c", ".h", ".py", ".sh", ".map", ".pml", "meson.build"))
                or s.path.endswith("meson_options.txt") or s.text.startswith("#!")]

    @functools.cached_property
    def allows(self):
        """(path, line) -> (rule, reason) of each line that opts out."""
        table = {}
        for source in self.scripts():
            if source.path.startswith("tests/lint/") and source.path.endswith(".py"):
                continue
            for number, line in enumerate(source.lines, 1):
                match = ALLOW.search(line)
                if match:
                    table[source.path, number] = (match.group(1), match.group(2).strip())
        return table

    def settle(self, unchecked):
        """Take out the findings that a line allows; complain of allows without use or reason."""
        kept, used = [], set()
        for finding in sorted(set(self.findings)):
            place = self.allowed_at(finding)
            used.add(place)
            if place is None:
                kept.append(finding)
        for (path, line), (rule, reason) in self.allows.items():
            if not reason:
                kept.append(Finding(path, line, rule, "opts out without a reason"))
            elif (path, line) not in used and rule not in unchecked:
                kept.append(Finding(path, line, rule, "opts out, but there is nothing to allow"))
        self.findings = sorted(kept)

    def allowed_at(self, finding):
        """The place of the line that allows the finding: its own, or the comment right above."""
        for line in (finding.line, finding.line - 1):
            entry = self.allows.get((finding.path, line))
            text = self.sources[finding.path].lines[line - 1].strip() if entry else ""
            is_comment_alone = text.startswith(("/*", "//", "*", "#"))
            if entry and entry[0] == finding.rule and (line == finding.line or is_comment_alone):
                return finding.path, line
        return None


def is_below(path, folders):
    return any(path.startswith(folder + "/") for folder in folders)


def walk(root):
    for name in os.listdir(root):
        if os.path.isfile(os.path.join(root, name)) and is_text(name):
            yield name
    for top in TOP_FOLDERS:
        for folder, subfolders, names in os.walk(os.path.join(root, top)):
            relative = os.path.relpath(folder, root).replace(os.sep, "/")
            subfolders[:] = [name for name in subfolders
                             if name != "__pycache__" and relative + "/" + name != SAMPLES]
            for name in names:
                if is_text(name) or top == ".ci":
                    yield relative + "/" + name


def is_text(name):
    return name.endswith(TEXT_ENDINGS) or name in ("LICENSE", ".clang-format", ".editorconfig")
