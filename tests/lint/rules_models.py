"""rules_models.py - L15 Spin models name the functions whose steps they take.
SPDX-License-Identifier: MIT

In a model each inline and each proctype has a comment, on its line or right above, that names a
function, and whatever a comment names as name() is defined in src/ under that full name. A model
is one screenful of 150 lines at most, says in its head what each of its wrong variants does, and
has a row in tests/promela/README.md, which names functions of src/ too.
"""
import re

from rules_names import check_files

README = "tests/promela/README.md"
LINES = 150
NAME = re.compile(r"\b(\w+)\(\)")
STEPS = re.compile(r"^[ \t]*(?:active[ \t]+)?(?:inline|proctype)[ \t]+(\w+)", re.MULTILINE)
WRONG = re.compile(r"\bmtype:wrong = \{([^}]*)\}")


def check_l15(tree):
    models = [s for s in tree.sources.values() if s.path.endswith(".pml")]
    functions = {f.name for s in tree.c_files("src") for f in s.functions}
    for model in models:
        check_size(tree, model)
        check_names(tree, model, functions)
        check_steps(tree, model)
        check_wrong(tree, model)
        check_row(tree, model)
    if README in tree.sources:
        report_names(tree, tree.sources[README], enumerate(tree.sources[README].lines, 1),
                     functions)


def check_size(tree, model):
    if model.text.count("\n") > LINES:
        tree.report("L15", model, LINES + 1, f"more than {LINES} lines")


def check_names(tree, model, functions):
    for comment in model.comments:
        numbered = list(enumerate(comment.lines, comment.first))
        report_names(tree, model, numbered, functions)
        for number, text in numbered:
            check_files(tree, model, number, text)


def report_names(tree, source, numbered, functions):
    for number, text in numbered:
        for name in NAME.findall(text):
            if name not in functions:
                tree.report("L15", source, number, f"src defines no {name}()")


def check_steps(tree, model):
    for match in STEPS.finditer(model.code):
        line = model.line_of(match.start(1))
        if not any(NAME.search(comment.text) for comment in model.comments_at(line)):
            tree.report("L15", model, line, f"{match.group(1)} names no function of src")


def check_wrong(tree, model):
    """The variants stand in the head, each at the start of its line."""
    match = WRONG.search(model.code)
    names = [name.strip() for name in match.group(1).split(",")] if match else []
    if names[:1] != ["none"] or len(names) < 2:
        tree.report("L15", model, 1, "has no wrong variant: mtype:wrong = { none, ... }")
    head = model.head.text if model.head else ""
    for name in names[1:]:
        if not re.search(rf"^(?:Wrong)? +{name} ", head, re.MULTILINE):
            tree.report("L15", model, model.line_of(match.start()), f"the head lacks {name}")
        if not re.search(rf"\bWRONG [!=]= {name}\b", model.code):
            tree.report("L15", model, model.line_of(match.start()), f"{name} changes nothing")


def check_row(tree, model):
    readme = tree.sources.get(README)
    name = model.path.rpartition("/")[2]
    if readme and f"| `{name}` |" not in readme.text:
        tree.report("L15", readme, 1, f"has no row for {name}")
