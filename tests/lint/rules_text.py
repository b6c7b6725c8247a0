"""rules_text.py - L11 no sleeping tests, L12 heads, L13 leftovers.
SPDX-License-Identifier: MIT
"""
import re

from tree import MACHINE_PATH, is_below

SLEEP = re.compile(r"(?<![\w.>])(sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep|time"
                   r"|gettimeofday)\s*\(|\bCLOCK_REALTIME\b")

HEADER_WORDS = ["Model", "Example", "Lifetime", "Threads", "Blocking", "Orders", "Progress",
                "Errors", "Limits"]
SOURCE_WORDS = ["Idea", "Picture", "Invariants", "Locks", "Ordering", "Lifetime", "Rejected"]
TEST_WORDS = ["Risk", "Method", "Catches"]
OPTIONAL_WORDS = {"Picture"}
NO_PREFACE = {"base.h", "version.h", "cconc.h"}
HEADED_SOURCES = ("src/plat", "src/core", "src/prim", "src/task", "src/diag")

TITLE = re.compile(r"^(?:/\*|//|#|\"\"\") ?(\S+) - \S")
SPDX = "SPDX-License-Identifier: " + "MIT"
TITLE_LINES = 3
SPDX_LINES = 5

# Written in two parts, so that this file does not hold the words it looks for.
LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
ISSUE = re.compile(r"#\d+")
FORBIDDEN = (MACHINE_PATH, "sha" "red/")
LICENCE = re.compile(r"Permission is here" r"by granted|Licen[sc]ed un" r"der"
                     r"|Redistribu" r"tion and"
                     r"|General Pub" r"lic Licen[sc]e|All rights re" r"served|\bCopy" r"right\b")
TESTER = ("tests/model/tester",)  # what scenarios run on is no test itself
DEAD_CODE = re.compile(
    r"^(?:(?:return\b.*|break|continue|goto \w+)"
    r"|(?:[\w*]+[ *]+)*[*&]*[A-Za-z_][\w.\[\]()*]*(?:->[\w.\[\]()*]+)*"
    r" ?(?:[-+*/|&^%]|<<|>>)?= ?\S.*"
    r"|(?:\(void\) ?)?[A-Za-z_]\w*(?:(?:->|\.)\w+)*\([^;]*\)"
    r"|(?:[\w*]+ )*[\w.>-]+(?:\+\+|--)"
    r"|(?:static |const |unsigned |struct )*\w+ \**\w+(?:\[\w*\])?);$")


def check_l11(tree):
    for source in tree.c_files("tests/unit", "tests/model"):
        if is_below(source.path, TESTER):
            continue
        for match in SLEEP.finditer(source.code):
            tree.report("L11", source, source.line_of(match.start()),
                        f"{match.group(1) or match.group()} in a test that must not wait for time")


def check_l12(tree):
    for source in tree.scripts():
        check_title(tree, source)
    for source in tree.c_files("include"):
        if source.path.rpartition("/")[2] not in NO_PREFACE:
            check_words(tree, source, HEADER_WORDS)
    for source in tree.c_files(*HEADED_SOURCES):
        if source.path.endswith(".c"):
            check_words(tree, source, SOURCE_WORDS)
    for source in tree.c_files("tests/unit", "tests/stress", "tests/model"):
        if source.path.endswith(".c") and not is_below(source.path, TESTER):
            check_words(tree, source, TEST_WORDS)


def check_title(tree, source):
    """The first line, below a #! line, names the file; the licence follows."""
    titles = [TITLE.match(line) for line in source.lines[:TITLE_LINES]]
    names = [match.group(1) for match in titles if match]
    if not names:
        tree.report("L12", source, 1, "no title line: name - what it is")
    elif not ("/" + source.path).endswith("/" + names[0]):
        tree.report("L12", source, 1, f"the title names {names[0]}")
    if not any(SPDX in line for line in source.lines[:SPDX_LINES]):
        tree.report("L12", source, 1, f"no line {SPDX}")


def check_words(tree, source, words):
    """The words stand in the head in their order, none missing, none empty."""
    if not source.head:
        tree.report("L12", source, 1, "no head comment")
        return
    found = head_entries(source.head, words)
    order = [word for word, _, _ in found]
    expected = [word for word in words if word in order]
    for word in words:
        if word not in order and word not in OPTIONAL_WORDS:
            tree.report("L12", source, 1, f"the head lacks {word}")
    if order != expected:
        tree.report("L12", source, source.head.first, "head out of order: " + " ".join(order))
    for word, line, text in found:
        if not text.strip():
            tree.report("L12", source, line, f"{word} is empty")


def head_entries(head, words):
    """(word, line, text) of each entry of a head comment."""
    found = []
    for offset, line in enumerate(head.lines):
        match = re.match(r"([A-Z][a-z]+)(?:\s{2,}(.*)|\s*)$", line)
        if match and match.group(1) in words:
            found.append([match.group(1), head.first + offset, match.group(2) or ""])
        elif found:
            found[-1][2] += " " + line
    return found


def check_l13(tree):
    for source in tree.sources.values():
        for number, line in enumerate(source.lines, 1):
            check_words_of_line(tree, source, number, line)
    for source in tree.c_files("include", "src", "tests", "examples"):
        check_comments(tree, source)
        for match in re.finditer(r"^[ \t]*#[ \t]*if[ \t]+0\b", source.code, re.MULTILINE):
            tree.report("L13", source, source.line_of(match.start()), "#if 0: dead code")


def check_words_of_line(tree, source, number, line):
    match = LEFTOVER.search(line)
    if match and not ISSUE.search(line):
        tree.report("L13", source, number, f"{match.group()} without an issue number")
    for word in FORBIDDEN:
        if word in line:
            tree.report("L13", source, number, f"names a place outside the repository: {word}")
    if LICENCE.search(line) and source.path != "LICENSE" and source in tree.scripts():
        tree.report("L13", source, number, "licence text: the SPDX line is enough")


def check_comments(tree, source):
    """Code in a comment is dead, except for samples of use: public headers, heads of headers."""
    if is_below(source.path, ("include",)):
        return
    for comment in source.comments:
        if comment is source.head and source.path.endswith(".h"):
            continue
        for offset, text in enumerate(comment.lines):
            if DEAD_CODE.match(text.strip()):
                tree.report("L13", source, comment.first + offset, "code in a comment")
