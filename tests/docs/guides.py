#!/usr/bin/env python3
"""guides.py - the C of README.md and docs compiles, and what these pages link to exists.
SPDX-License-Identifier: MIT

Usage: guides.py ROOT [--library FILE] [--self-test]

* A block that begins with ```c is a whole file: it compiles as C11 without a warning, and with the
  library given, one with a main runs and returns 0. One that begins with ```c examples/NAME.c is a
  quote, which the lint (L14) compares with that file. There is no third kind.
* A manual page has C in its SYNOPSIS and its EXAMPLE alone: what these say man.py checks.
* A relative link leads to a file or folder of the tree; its anchor, to a heading of that file.
* README.md has a link to each page of docs/.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

COMPILE = ["cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
RUN_SECONDS = 30
FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
QUOTE = re.compile(r"c examples/\S+\.c")
MAIN = re.compile(r"^int main\(", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z]+:")


def page_paths(root):
    """The pages, relative to root: those beside README.md, and all of docs."""
    found = [name for name in sorted(os.listdir(root)) if name.endswith(".md")]
    for folder, _, names in sorted(os.walk(os.path.join(root, "docs"))):
        found += [os.path.relpath(os.path.join(folder, name), root)
                  for name in sorted(names) if name.endswith(".md")]
    return found


def anchors(text):
    """What the headings of a page are called in links."""
    found = set()
    for heading in HEADING.findall(FENCED.sub("", text)):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading).lower())
        name = words.strip().replace(" ", "-")
        count = 0
        while (f"{name}-{count}" if count else name) in found:
            count += 1
        found.add(f"{name}-{count}" if count else name)
    return found


class Guides:
    def __init__(self, root, library=None):
        self.root = root
        self.library = library and os.path.abspath(library)
        self.findings = []
        self.blocks = 0
        self.links = 0
        self.texts = {}
        for path in page_paths(root):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                self.texts[path] = file.read()

    def report(self, path, offset, message):
        line = self.texts[path].count("\n", 0, offset) + 1
        self.findings.append(f"{path}:{line}: {message}")

    def check(self):
        linked = set()
        for path, text in self.texts.items():
            targets = self.check_links(path, text)
            if path == "README.md":
                linked = targets
        for path in self.texts:
            if os.path.dirname(path) == "docs" and path not in linked:
                self.report(path, 0, "README.md has no link to this page")
        self.check_blocks()

    def check_links(self, path, text):
        """The files that a page links to."""
        targets = set()
        # Of code only its length is left, so that lines stay.
        prose = FENCED.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
        prose = INLINE.sub(lambda match: " " * len(match.group()), prose)
        for match in LINK.finditer(prose):
            if ELSEWHERE.match(match.group(1)):
                continue
            self.links += 1
            name, _, anchor = match.group(1).partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            targets.add(target)
            if not os.path.exists(os.path.join(self.root, target)):
                self.report(path, match.start(), f"there is no {target}")
            elif anchor and anchor not in anchors(self.texts.get(target, "")):
                self.report(path, match.start(), f"{target} has no heading #{anchor}")
        return targets

    def check_blocks(self):
        jobs = []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
            for path, text in self.texts.items():
                for match in FENCED.finditer(text):
                    kind, code = match.groups()
                    if kind == "c" and path.startswith("docs/man/"):
                        section = re.findall(r"^# (.+)$", text[:match.start()], re.MULTILINE)
                        if section[-1:] not in (["SYNOPSIS"], ["EXAMPLE"]):
                            self.report(path, match.start(), "C in neither SYNOPSIS nor EXAMPLE")
                    elif kind == "c":
                        jobs.append((path, match.start(), workers.submit(self.compile, code)))
                    elif kind.startswith("c ") and not QUOTE.fullmatch(kind):
                        self.report(path, match.start(), f"'{kind}' is no kind of block")
        self.blocks = len(jobs)
        for path, offset, job in jobs:
            if job.result():
                self.report(path, offset, job.result())

    def compile(self, code):
        """Nothing, or what is wrong with the block."""
        command = [*COMPILE, "-I" + os.path.join(self.root, "include"), "-x", "c", "-"]
        if not self.library or not MAIN.search(code):
            return "".join(self.faults([*command, "-fsyntax-only"], code))
        with tempfile.TemporaryDirectory() as scratch:
            program = os.path.join(scratch, "program")
            return "".join(self.faults([*command, "-x", "none", self.library, "-o", program,
                                        "-Wl,-rpath," + os.path.dirname(self.library)], code)
                           or self.run(program))

    @staticmethod
    def faults(command, code):
        result = subprocess.run(command, input=code, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, check=False)
        return ["does not compile\n" + result.stdout] if result.returncode else []

    @staticmethod
    def run(program):
        try:
            status = subprocess.run([program], stdin=subprocess.DEVNULL, timeout=RUN_SECONDS,
                                    stdout=subprocess.DEVNULL, check=False).returncode
        except subprocess.TimeoutExpired:
            return [f"does not end in {RUN_SECONDS} seconds"]
        return [f"ends with status {status}"] if status else []


# A page with mistakes, and what must be said of them, in the order of their lines.
MISTAKEN = """# A page
[gone](docs/gone.md) [here](#a-page) [there](docs/page.md#two-words-1) [not](#b-page)
`[code](is/no/link)` [web](https://example.org/) [lost](docs/page.md#three)
```c
int sound(void) { return 0; }
```
```c
int broken(void) { return undeclared; }
```
```c
int warned(void) { int unused; return 0; }
```
```c fragment
return 0;
```
```sh
[a link](of/the/shell)
```
```c
int main(void) { return 3; }
```
"""
MANUAL = "# NAME\n# SYNOPSIS\n```c\nint f();\n```\n# DESCRIPTION\n```c\nint g();\n```\n"
SECOND = "# Page\n## Two words\n```sh\n# three\n```\n## `Two` words\n"
EXPECTED = ["README.md:2: there is no docs/gone.md",
            "README.md:2: README.md has no heading #b-page",
            "README.md:3: docs/page.md has no heading #three", "README.md:7: does not compile",
            "README.md:10: does not compile", "README.md:13: 'c fragment' is no kind of block",
            "README.md:19: ends with status 3",
            "docs/alone.md:1: README.md has no link to this page",
            "docs/man/f.3.md:7: C in neither SYNOPSIS nor EXAMPLE"]


def self_test(library):
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "docs", "man"))
        for name, text in (("README.md", MISTAKEN), ("docs/page.md", SECOND),
                           ("docs/alone.md", "# Alone\n"), ("docs/man/f.3.md", MANUAL)):
            with open(os.path.join(root, name), "w", encoding="utf-8") as file:
                file.write(text)
        guides = Guides(root, library)
        guides.check()
    found = sorted(finding.splitlines()[0] for finding in guides.findings)
    for finding in sorted(set(EXPECTED) ^ set(found)):
        print(("not found: " if finding in EXPECTED else "found: ") + finding)
    return 1 if found != sorted(EXPECTED) else 0


def main():
    parser = argparse.ArgumentParser(description="Check the pages for readers.")
    parser.add_argument("root", help="the tree whose pages to check")
    parser.add_argument("--library", metavar="FILE", help="the shared library, to run programs")
    parser.add_argument("--self-test", action="store_true",
                        help="prove that each check fires on a page with a mistake")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test(arguments.library)
    guides = Guides(os.path.abspath(arguments.root), arguments.library)
    guides.check()
    for finding in guides.findings:
        print(finding)
    print(f"guides: {len(guides.texts)} pages, {guides.blocks} blocks, {guides.links} links, "
          f"{len(guides.findings)} findings")
    return 1 if guides.findings or not guides.blocks or not guides.links else 0


if __name__ == "__main__":
    sys.exit(main())
