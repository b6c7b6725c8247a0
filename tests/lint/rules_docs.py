"""rules_docs.py - L14 documents that quote programs and name tests say what is so.
SPDX-License-Identifier: MIT

A block that begins with ```c examples/NAME.c holds lines of that file, in one piece and unchanged;
docs/cookbook.md quotes every example that is one file. `tests/...c:name`, in backquotes, names a
test that the file runs. docs/misuse.md has a row for every text that MUST or cconc__misuse_report()
tells, with N for a number and CALL for a word, and no other row.
"""
import re

from csource import closing

QUOTE = re.compile(r"^```c (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"`(tests/\w+/\w+\.c):(\w+)`")
COOKBOOK = "docs/cookbook.md"
MISUSE = "docs/misuse.md"
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
