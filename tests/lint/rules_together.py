"""rules_together.py - L16 all files of src/ can be compiled as one.
SPDX-License-Identifier: MIT

src/tools/amalgamate.py puts them into one file. So no two of them have a static, a type or a
constant of one name; and a macro's name stands in no file that does not see its definition.
"""
import re

from csource import blank, closing

MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
TAG = re.compile(r"\b(?:struct|union|enum)\s+(\w+)\s*\{")
ENUM = re.compile(r"\benum\b\s*\w*\s*\{([^}]*)\}")
POINTER = re.compile(r"\w+\b[^=(]*\(\s*\*\s*(?:const\s+)?(\w+)\s*(?:\[[^\]]*\]\s*)*\)\s*\(")
LAST_WORD = re.compile(r"(\w+)\s*(?:\[[^\]]*\]\s*)*$")
WORD = re.compile(r"\b[A-Za-z_]\w*\b")


def check_l16(tree):
    sources = tree.c_files("src")
    owners = {}
    for source in sources:
        for name, line in local_names(source).items():
            if name in owners:
                tree.report("L16", source, line, f"{name} is a name of {owners[name]}, too")
            owners.setdefault(name, source.path)
    check_macros(tree, sources, owners)


def check_macros(tree, sources, owners):
    """What a .c file defines is defined in all files that come after it."""
    macros = {name: path for name, path in owners.items() if path.endswith(".c")
              and name in MACRO.findall(tree.sources[path].code)}
    for source in sources:
        own = local_names(source)
        first = {m.group(): m.start() for m in reversed(list(WORD.finditer(source.code)))}
        for name, offset in first.items():
            if name in macros and macros[name] != source.path and name not in own:
                tree.report("L16", source, source.line_of(offset),
                            f"{name} is a macro of {macros[name]}")


def local_names(source):
    """Name -> line of all that the file defines without giving it to the linker."""
    names = {}
    for match in MACRO.finditer(source.code):
        names.setdefault(match.group(1), source.line_of(match.start()))
    for start, text in outside(source):
        line = source.line_of(start + len(text) - len(text.lstrip()))
        for name in declared(text.strip()):
            names.setdefault(name, line)
    for pattern in (TAG, ENUM):
        for match in pattern.finditer(source.plain):
            for name in re.findall(r"(\w+)\s*(?:=[^,]*)?(?:,|$)", match.group(1).strip()):
                if is_outside(source, match.start()):
                    names.setdefault(name, source.line_of(match.start()))
    return names


def outside(source):
    """(offset, text) of each declaration that stands in no function; what is in braces is blank."""
    text = source.plain
    start = position = 0
    for_end = re.compile(r"[{;]")
    while match := for_end.search(text, position):
        position = match.end()
        if match.group() == "{":
            end = closing(text, match.start())
            text = text[:match.end()] + blank(text[match.end():end]) + text[end:]
            position = end + 1
            head = text[start:match.start()]
            if "=" in head or re.search(r"\b(?:struct|union|enum)\b[^()]*$", head):
                continue
            yield start, head
        else:
            yield start, text[start:match.start()]
        start = position


def is_outside(source, offset):
    return not any(f.body_offset <= offset < f.body_offset + len(f.body) for f in source.functions)


def declared(text):
    """The names of one declaration that is static, or of a type."""
    if not re.match(r"(?:static|typedef)\b", text):
        return []
    pointer = POINTER.match(text)
    if pointer:
        return [pointer.group(1)]
    text = re.sub(r"\{[^}]*\}", " ", text)
    function = re.match(r"static\b[^=(]*?\b(\w+)\s*\(", text)
    if function and not function.group(1).startswith("__"):
        return [function.group(1)]
    text = re.sub(r"=.*", "", text, flags=re.DOTALL)
    return LAST_WORD.findall(text.strip())
