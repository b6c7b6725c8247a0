"""rules_docs.py - L14 documents that quote programs and name tests say what is so.
SPDX-License-Identifier: MIT

A block that begins with ```c examples/NAME.c holds lines of that file, in one piece and unchanged;
docs/cookbook.md quotes every example that is one file. `tests/...c:name`, in backquotes, names a
test that the file runs.
"""
import re

QUOTE = re.compile(r"^```c (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"`(tests/\w+/\w+\.c):(\w+)`")
COOKBOOK = "docs/cookbook.md"


def check_l14(tree):
    for source in tree.sources.values():
        if source.path.endswith(".md"):
            check_quotes(tree, source)
            check_rows(tree, source)
    if COOKBOOK in tree.sources:
        check_cookbook(tree, tree.sources[COOKBOOK])


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
            if test is None or not re.search(rf"UNIT_TEST\({name}\)", test.text):
                tree.report("L14", source, number, f"{path} runs no test {name}")


def check_cookbook(tree, source):
    quoted = {path for path, _ in QUOTE.findall(source.text)}
    for path in tree.sources:
        if re.match(r"examples/\w+\.c$", path) and path not in quoted:
            tree.report("L14", source, 1, f"does not quote {path}")
