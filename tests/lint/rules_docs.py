"""rules_docs.py - L14 documents that quote programs and name tests say what is so.
SPDX-License-Identifier: MIT

A block that begins with ```c examples/NAME.c holds lines of that file, in one piece and unchanged;
docs/cookbook.md quotes every example that is one file. docs/tutorial.md quotes the programs of
examples/tutorial in their order and whole, but for the head, each followed by what it prints, and
examples/meson.build builds each. README.md has a link to every example that is one file, and names
every header of include/cconc. `tests/...c:name`, in backquotes, names a test that the file runs,
and tests/conformance/README.md so names every test of its folder. docs/misuse.md has a row for
every text that MUST or cconc__misuse_report() tells, with N for a number and CALL for a word, and
no other row.
"""
import re

from csource import closing

QUOTE = re.compile(r"^```c (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"`(tests/\w+/\w+\.c):(\w+)`")
COOKBOOK = "docs/cookbook.md"
TUTORIAL = "docs/tutorial.md"
STEP = re.compile(r"^```c (examples/tutorial/(\w+)\.c)\n(.*?)^```\n\nIt prints\n\n```text (\w+)\n",
                  re.MULTILINE | re.DOTALL)
PROGRAMS = "examples/meson.build"
MISUSE = "docs/misuse.md"
README = "README.md"
ALL_HEADERS = "include/cconc/cconc.h"
CONFORMANCE = "tests/conformance/README.md"
RUN = re.compile(r"^\s+[A-Z]+_TEST\((\w+)\)", re.MULTILINE)
TOLD = re.compile(r"\b(?:MUST|cconc__misuse_report)\(")
LITERALS = re.compile(r'(?:"(?:\\.|[^"\\\n])*"\s*)+')
MISUSE_ROW = re.compile(r"^\| `([^`]+)` \|")


def check_l14(tree):
    for source in tree.sources.values():
        if source.path.endswith(".md"):
            check_quotes(tree, source)
            check_rows(tree, source)
    if COOKBOOK in tree.sources:
        check_cookbook(tree, tree.sources[COOKBOOK])
    if TUTORIAL in tree.sources:
        check_tutorial(tree, tree.sources[TUTORIAL])
    if README in tree.sources:
        check_readme(tree, tree.sources[README])
    if CONFORMANCE in tree.sources:
        check_conformance(tree, tree.sources[CONFORMANCE])
    if MISUSE in tree.sources:
        check_misuse(tree, tree.sources[MISUSE])


def check_quotes(tree, source):
    for match in QUOTE.finditer(source.text):
        path, text = match.groups()
        quoted = tree.sources.get(path)
        line = source.text.count("\n", 0, match.start()) + 1
        if quoted is None:
            tree.report("L14", source, line, f"quotes {path}, which does not exist")
        elif "\n" + text not in "\n" + quoted.text:
            tree.report("L14", source, line, f"this is not what {path} says")


def check_rows(tree, source):
    for number, line in enumerate(source.lines, 1):
        for path, name in ROW.findall(line):
            test = tree.sources.get(path)
            if test is None or not re.search(rf"\b[A-Z]+_TEST\({name}\)", test.text):
                tree.report("L14", source, number, f"{path} runs no test {name}")


def check_cookbook(tree, source):
    quoted = {path for path, _ in QUOTE.findall(source.text)}
    for path in tree.sources:
        if re.match(r"examples/\w+\.c$", path) and path not in quoted:
            tree.report("L14", source, 1, f"does not quote {path}")


def check_tutorial(tree, source):
    steps = [path for path in sorted(tree.sources) if re.match(r"examples/tutorial/\w+\.c$", path)]
    told = []
    for match in STEP.finditer(source.text):
        path, name, text, printed = match.groups()
        line = source.text.count("\n", 0, match.start()) + 1
        told.append(path)
        program = tree.sources.get(path)
        if program and text != program.text.partition("*/\n")[2].lstrip("\n"):
            tree.report("L14", source, line, f"this is not all that {path} says")
        if printed != name:
            tree.report("L14", source, line, f"what {name} prints is told as that of {printed}")
    if told != steps:
        tree.report("L14", source, 1, f"tells {told}, but the steps are {steps}")
    for path in steps:
        if PROGRAMS not in tree.sources or f"'{path[18:-2]}'" not in tree.sources[PROGRAMS].text:
            tree.report("L14", path, 1, f"{PROGRAMS} does not build it")


def check_readme(tree, source):
    for path in tree.sources:
        header = re.match(r"include/cconc/(\w+\.h)$", path)
        name = f"`{header.group(1)}`" if header else f"]({path})"
        wanted = header or re.match(r"examples/\w+\.c$", path)
        if wanted and name not in source.text and path != ALL_HEADERS:
            tree.report("L14", source, 1, f"does not name {path}")


def check_conformance(tree, source):
    rows = set(ROW.findall(source.text))
    for path, test in tree.sources.items():
        for name in RUN.findall(test.text) if re.match(r"tests/conformance/\w+\.c$", path) else ():
            if (path, name) not in rows:
                tree.report("L14", source, 1, f"has no row for {path}:{name}")


def misuse_rows(source):
    """Message -> line of the table of messages."""
    return {match.group(1): number for number, line in enumerate(source.lines, 1)
            if (match := MISUSE_ROW.match(line))}


def misuse_texts(source):
    """(line, message) of each text that a file tells of misuse."""
    for match in TOLD.finditer(source.bare):
        arguments = source.bare[match.end():closing(source.bare, match.end() - 1)]
        literals = LITERALS.search(arguments)
        if literals:
            text = "".join(re.findall(r'"((?:\\.|[^"\\])*)"', literals.group()))
            text = re.sub(r"%l*[sdu]|%zu", lambda m: "CALL" if m.group() == "%s" else "N", text)
            yield source.line_of(match.start()), text


def check_misuse(tree, source):
    rows = misuse_rows(source)
    told = set()
    for file in tree.c_files("src"):
        for line, text in misuse_texts(file):
            told.add(text)
            if text not in rows:
                tree.report("L14", file, line, f'{MISUSE} has no row for "{text}"')
    for text, line in rows.items():
        if text not in told:
            tree.report("L14", source, line, f'nothing in src tells "{text}"')
