"""csource.py - what the lint knows of a file: code, comments, functions, structs, calls.
SPDX-License-Identifier: MIT

No C parser: comments, literals and directives are blanked out at the same offsets, and what is left
is regular enough in this code base to find functions and fields by their braces.
"""
import functools
import re

TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]+)[>\"]", re.MULTILINE)
MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)\(", re.MULTILINE)
CALL = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
STRUCT = re.compile(r"\b(?:struct|union)\b(?:\s+(\w+))?\s*\{")
NOT_A_NAME = {"if", "for", "while", "switch", "return", "sizeof", "defined", "do", "else",
              "__attribute__", "_Static_assert", "static_assert", "_Alignof", "alignof"}


class Comment:
    """One comment; its text goes without the marks, line by line."""

    def __init__(self, raw, first, alone):
        self.first = first
        self.lines = [clean_line(line) for line in raw.split("\n")]
        self.last = first + len(self.lines) - 1
        self.alone = alone
        self.text = "\n".join(self.lines).strip()


class Function:
    """One function definition: its lines, its head up to the brace, and its body as code."""

    def __init__(self, name, first, last, head, body, body_offset):
        self.name = name
        self.first = first
        self.last = last
        self.head = head
        self.body = body
        self.body_offset = body_offset
        self.is_static = bool(re.search(r"\bstatic\b", head))

    def calls(self):
        return {name for name in CALL.findall(self.body) if name not in NOT_A_NAME}


class Struct:
    """One struct or union definition: its fields as (line, declaration), nested ones flattened."""

    def __init__(self, name, first, fields):
        self.name = name
        self.first = first
        self.fields = fields


class Source:
    """One file of the tree, path relative to its root with slashes."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        self.is_c = path.endswith((".c", ".h"))

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def folder(self):
        return self.path.rpartition("/")[0]

    def base(self):
        return self.path.rpartition("/")[2].rpartition(".")[0]

    @functools.cached_property
    def bare(self):
        """The text with comments blanked; literals stay."""
        return TOKEN.sub(lambda m: blank_comment(m.group()), self.text)

    @functools.cached_property
    def code(self):
        """The text with comments and the insides of literals blanked."""
        return TOKEN.sub(lambda m: blank_token(m.group()), self.text)

    @functools.cached_property
    def plain(self):
        """The code with directives blanked too."""
        return DIRECTIVE.sub(lambda m: blank(m.group()), self.code)

    @functools.cached_property
    def comments(self):
        found = []
        for match in TOKEN.finditer(self.text):
            if match.group()[0] == "/":
                line_start = self.text.rfind("\n", 0, match.start()) + 1
                alone = not self.text[line_start:match.start()].strip()
                found.append(Comment(match.group(), self.line_of(match.start()), alone))
        return found

    @functools.cached_property
    def head(self):
        """The comment at the top of the file, or None."""
        if self.comments and self.comments[0].first == 1:
            return self.comments[0]
        return None

    @functools.cached_property
    def by_line(self):
        """Line number -> comments on that line."""
        table = {}
        for comment in self.comments:
            for line in range(comment.first, comment.last + 1):
                table.setdefault(line, []).append(comment)
        return table

    def comments_at(self, line):
        """The comments that speak of a line: on it, or alone and ending right above it."""
        above = [c for c in self.by_line.get(line - 1, []) if c.alone and c.last == line - 1]
        return self.by_line.get(line, []) + above

    @functools.cached_property
    def includes(self):
        """(line, quoted?, name) of each include."""
        return [(self.line_of(m.start(2)), m.group(1) == '"', m.group(2))
                for m in INCLUDE.finditer(self.bare)]

    @functools.cached_property
    def macros(self):
        return set(MACRO.findall(self.code))

    @functools.cached_property
    def functions(self):
        return list(find_functions(self))

    @functools.cached_property
    def structs(self):
        return list(find_structs(self))


def clean_line(line):
    """A comment's line without /*, */, // and the leading star; deeper indentation stays."""
    line = re.sub(r"^\s*(/\*+|//+|\*(?!/))? ?", "", line)
    return re.sub(r"\s*\*/\s*$", "", line).rstrip()


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def blank_comment(token):
    return blank(token) if token[0] == "/" else token


def blank_token(token):
    return blank(token) if token[0] == "/" else token[0] + blank(token[1:-1]) + token[-1]


def closing(text, start):
    """The offset of the bracket that closes the one at start; the text's end if none does."""
    pairs = {"{": "}", "(": ")"}
    opener, closer = text[start], pairs[text[start]]
    depth = 0
    for match in re.compile("[" + re.escape(opener + closer) + "]").finditer(text, start):
        depth += 1 if match.group() == opener else -1
        if depth == 0:
            return match.start()
    return len(text)


def function_name(head):
    """The name that a text before a top-level brace defines as a function, or None."""
    head = re.sub(r"\((\w+)\)(?=\s*\()", r" \1 ", head) # (name)(...): a macro has the name, too
    for match in CALL.finditer(head):
        rest = head[closing(head, match.end() - 1) + 1:].strip()
        is_body_next = rest == "" or rest.startswith("__attribute__")
        if match.group(1) not in NOT_A_NAME and is_body_next:
            return match.group(1)
    return None


def find_functions(source):
    text = source.plain
    position, chunk = 0, 0
    for_brace = re.compile(r"[{};]")
    while True:
        match = for_brace.search(text, position)
        if not match:
            return
        position = match.end()
        if match.group() != "{":
            chunk = position
            continue
        end = closing(text, match.start())
        head = text[chunk:match.start()]
        name = function_name(head) if "=" not in head else None
        if name:
            first = source.line_of(chunk + len(head) - len(head.lstrip()))
            yield Function(name, first, source.line_of(end), head.strip(),
                           text[match.end():end], match.end())
        position = end + 1
        chunk = position if name else chunk


def find_structs(source):
    text = source.plain
    last_end = -1
    for match in STRUCT.finditer(text):
        end = closing(text, match.end() - 1)
        if match.start() < last_end:
            continue
        last_end = end
        fields = []
        start = match.end()
        for part in re.finditer(r"([^;]*);", text[match.end():end]):
            declaration = re.sub(r"(?:struct|union|enum)\s*\w*\s*\{|\}", " ", part.group(1)).strip()
            if declaration:
                fields.append((source.line_of(start + part.end() - 1), declaration))
        yield Struct(match.group(1), source.line_of(match.start()), fields)


def prototypes(source):
    """Names declared with parentheses outside of functions: prototypes and function pointers."""
    text = list(source.plain)
    for function in source.functions:
        for i in range(function.body_offset, function.body_offset + len(function.body)):
            if text[i] != "\n":
                text[i] = " "
    outside = "".join(text)
    return set(CALL.findall(outside)) | set(re.findall(r"\(\s*\*\s*(\w+)\s*\)\s*\(", outside))


def find_cycles(graph):
    """The cycles of a graph {node: set of nodes}, each as a list, at least one per tangle."""
    graph = {node: set(targets) for node, targets in graph.items()}
    cycles = []
    while True:
        trim(graph)
        start = min((node for node in graph), default=None)
        if start is None:
            return cycles
        path = [start]
        while path.count(path[-1]) == 1:
            path.append(min(graph[path[-1]]))
        cycle = path[path.index(path[-1]):]
        cycles.append(cycle)
        graph[cycle[0]].discard(cycle[1])


def trim(graph):
    """Take away nodes that lead nowhere until every node left has somewhere to go."""
    while True:
        dead = [node for node, targets in graph.items() if not targets & graph.keys()]
        for node in dead:
            del graph[node]
        for targets in graph.values():
            targets.intersection_update(graph)
        if not dead:
            return
