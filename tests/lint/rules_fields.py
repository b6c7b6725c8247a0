"""rules_fields.py - L6 keys and ranks: who may touch a field, and which lock stands where.
SPDX-License-Identifier: MIT
"""
import re

ATOMIC_HEADER = "src/plat/atomic.h"
SHARED_TYPE = re.compile(r"^(?:static\s+)?(lock|atom_\w+)\s+[*\w]")
LOCK_TYPE = re.compile(r"^(?:static\s+)?(lock|plat_mutex)\s+\w")
STATIC = re.compile(r"^static\s+((?:lock|atom_\w+)\s+\w+\s*(?:=[^;]*|\[[^;]*)?);", re.MULTILINE)
KEY = re.compile(r"^\(([imaoq]|e [a-z][\w.]*|[a-z])(?:[ ,][^)]*)?\)")
KEY_LINE = re.compile(r"^Key  .*", re.MULTILINE)
COMMON_KEYS = "imaoq"
PADDING = re.compile(r"^char\s+\w+\s*\[.*\bATOM_LINE\b.*\]$", re.DOTALL)
RANK = re.compile(r"\brank\b", re.IGNORECASE)
LEAF = re.compile(r"\bleaf\b")
DECLARATION = re.compile(r"^(?!return\b|goto\b)(?:\w+\s+)*\w+[\s*]+\w+\s*"
                         r"(?:\[[^\]]*\]\s*)?(?:=.*)?$", re.DOTALL)
ASSERT = "cconc__lock_assert_held("


def check_l6(tree):
    for source in tree.c_files("src"):
        if source.path == ATOMIC_HEADER:
            continue
        for struct in source.structs:
            if any(SHARED_TYPE.match(declaration) for _, declaration in struct.fields):
                check_struct(tree, source, struct)
        check_statics(tree, source)
        for function in source.functions:
            check_locked(tree, source, function)


def check_struct(tree, source, struct):
    for line, declaration in struct.fields:
        is_nested_name = re.match(r"\w+$", declaration)
        if not is_nested_name and not PADDING.match(declaration):
            check_key(tree, source, line, declaration)


def check_statics(tree, source):
    """A lock or an atomic at file scope is shared as a field is."""
    for match in STATIC.finditer(source.plain):
        check_key(tree, source, source.line_of(match.start()), match.group(1))


def check_key(tree, source, line, declaration):
    comments = [comment.text for comment in source.comments_at(line)]
    lock_match = LOCK_TYPE.match(declaration)
    if lock_match:
        is_ranked = "RANK_" in declaration or any(RANK.search(text) for text in comments)
        is_leaf = lock_match.group(1) == "plat_mutex" and any(LEAF.search(t) for t in comments)
        if not is_ranked and not is_leaf:
            tree.report("L6", source, line, f"lock without its rank: {squeeze(declaration)}")
    elif not any(is_key(source, KEY.match(text)) for text in comments):
        tree.report("L6", source, line, f"field without a key letter: {squeeze(declaration)}")


def is_key(source, match):
    """A letter is a common one, or one that a line "Key  (x) ..." of the file explains."""
    if not match:
        return False
    letter = match.group(1)
    if letter in COMMON_KEYS or letter.startswith("e "):
        return True
    lines = [line for comment in source.comments for line in KEY_LINE.findall(comment.text)]
    return any(f"({letter})" in line for line in lines)


def squeeze(declaration):
    return " ".join(declaration.split())


def check_locked(tree, source, function):
    """The first statement after the declarations asserts the lock."""
    if not function.name.endswith("_locked"):
        return
    statements = [statement.strip() for statement in function.body.split(";")]
    while len(statements) > 1 and DECLARATION.match(statements[0]):
        statements.pop(0)
    if ASSERT not in statements[0]:
        tree.report("L6", source, function.first,
                    f"{function.name} does not start with {ASSERT}...)")
