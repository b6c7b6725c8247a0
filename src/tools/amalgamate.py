#!/usr/bin/env python3
"""amalgamate.py - write the whole library as two files, cconc.h and cconc.c, to be dropped in.
SPDX-License-Identifier: MIT

Usage: amalgamate.py OUT_FOLDER [DEPFILE]

cconc.h is include/cconc/, each header once and after those it needs; cconc.c is src/, layer by
layer, each private header in front of the first file that needs it. Guards and includes of our own
go, those of the system move to the top, and each declaration of src/ that more than one file sees
becomes CCONC_INTERNAL: static. The files of a part stand below a condition that leaves them out.
The same tree gives the same bytes, wherever it lies. DEPFILE says to ninja what was read.
"""
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAYERS = ("plat", "core", "prim", "task")

# What can be left out, and what it needs; the files of a part begin with its name, but for these.
PARTS = {"chan": [], "counter": [], "limiter": [], "once": [], "pool": [], "sem": [], "ticker": [],
         "waitgroup": [], "timer": ["waitgroup"], "flight": ["chan"], "group": ["pool"],
         "limiter_keyed": ["limiter"], "objpool": ["waitgroup"], "select": ["chan"],
         "sometimes": ["sem"]}
PART_OF = {"bucket": "limiter", "elem": "chan", "submit": "pool"}

TOKEN = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
INCLUDE = re.compile(r"^#include ([<\"])([^>\"]+)[>\"].*\n", re.MULTILINE)
CONDITION = re.compile(r"^#[ \t]*(if|endif)", re.MULTILINE)
HEAD = re.compile(r"/\* (?P<title>.*)\n \* SPDX-License-Identifier: .*\n"
                  r"(?P<rest>(?: \*.*\n)*?.*\*/\n)")
GUARD = re.compile(r"#ifndef (\w+)\n#define \1\n(.*)\n#endif\n\Z", re.DOTALL)

# A function that is called through an inline one; there can be no macro of its name then.
SHORT_CUT = re.compile(r"^#define cconc_\w+\((?:.*\\\n)*.*", re.MULTILINE)

# A declaration in static.h.
OF_PART = re.compile(r"^CCONC_API [^;]*\bcconc_([a-z]+)_(?:init|sizeof)\([^;]*;", re.MULTILINE)

HEADER_START = """\
/* cconc.h - libcconc @VERSION@ in two files: this one and cconc.c, which compiles alone, as in
 * `cc -std=c11 -c cconc.c`; programs are linked with -pthread. Both are written by
 * src/tools/amalgamate.py of the library: change the library instead.
 *
 * What may be defined, the same wherever one of the two is compiled:
 *
 * CCONC_PREFIX  The linker sees every function under its name with this in front, as in
 *               -DCCONC_PREFIX=my_; sources keep the plain names. So a program can hold several
 *               copies, of different versions too, each with threads of its own.
 * CCONC_API     What stands before each public function. Empty for a copy that a shared library
 *               built with -fvisibility=hidden keeps to itself. `static CCONC_UNUSED` for a copy
 *               that one source file keeps to itself: it includes cconc.c, before anything else.
 * CCONC_CHECKED Lock ranks and invariants are checked while the program runs.
 * CCONC_CONFIG_FILE  A header, in quotes or brackets, that defines what is defined here.
 *
 * CCONC_ENABLE_CHAN and so on  1, or 0 to leave a part out, with all that its header has. There are
@PARTS@
 *                    What is not defined is CCONC_ENABLE_ALL, which is 1, and 0 for a part that
 *                    needs one that is 0. Contexts, clocks and cconc_shutdown() are always there.
 *
 * For machines without POSIX threads, see docs/porting.md of the library:
 *
 * CCONC_PLAT_HEADER  The header of a port, in quotes or brackets.
 * CCONC_NO_MALLOC    There is no memory but that of cconc_set_allocator() and cconc_chan_init() and
 *                    its like.
 * CCONC_LINE_SIZE, CCONC_LOCK_SIZE   What the sizes of these go by.
 *
@LICENSE@
 */
#ifndef CCONC_CCONC_H
#define CCONC_CCONC_H

#if defined(CCONC_CONFIG_FILE)
#include CCONC_CONFIG_FILE
#endif

@SWITCHES@

#if defined(CCONC_PREFIX)
#define CCONC__JOIN(prefix, name) prefix##name
#define CCONC__NAME(prefix, name) CCONC__JOIN(prefix, name)
@NAMES@
#endif
"""

HEADER_END = """
#endif
"""

SOURCE_START = """\
/* cconc.c - libcconc @VERSION@; see cconc.h.
 *
@LICENSE@
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "cconc.h"

@INCLUDES@

#if defined(__GLIBC__) && !defined(__USE_GNU)
#error "cconc.c comes before any header of the system, or is compiled with -D_GNU_SOURCE"
#endif

/* What more than one file of the library sees; the tests define it as nothing. */
#if !defined(CCONC_INTERNAL)
#define CCONC_INTERNAL static CCONC_UNUSED
#endif

/* What was a file of its own has local names that are those of other files. */
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
"""

SOURCE_END = """
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
"""


class Piece:
    """One file of the library: what it includes, and what is left of it."""

    def __init__(self, path):
        self.name = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        head = HEAD.match(text)
        if not head:
            sys.exit(f"amalgamate.py: {self.name} has no head")
        self.body = text[head.end():]
        if self.name.endswith(".h"):
            guard = GUARD.match(self.body)
            if not guard:
                sys.exit(f"amalgamate.py: {self.name} is not guarded as a whole")
            self.body = guard.group(2) + "\n"
        self.needs = []
        self.system = []
        self.body = INCLUDE.sub(self.take_include, self.body)
        is_more = head["rest"] != " */\n"
        self.head = f"/* {head['title']}" + ("\n" if is_more else "") + head["rest"]

    def take_include(self, match):
        """What is left of an include: it stays if it stands below a condition."""
        is_quoted, name = match.group(1) == '"', match.group(2)
        if is_quoted or name.startswith("cconc/"):
            self.needs.append(ROOT / ("src" if is_quoted else "include") / name)
            return ""
        before = CONDITION.findall(match.string, 0, match.start())
        if before.count("if") > before.count("endif"):
            return match.group()
        self.system.append(name)
        return ""

    def part(self):
        """The part that the file belongs to, or None."""
        layer, name = self.name.rsplit("/", 1)
        name = name.split(".")[0]
        parts = [part for part in PARTS if re.match(rf"{part}(_|$)", name)]
        if layer not in ("include/cconc", "src/prim", "src/task"):
            return None
        return PART_OF.get(name, max(parts, key=len, default=None))

    def written(self):
        rule = f"/* ---------------- {self.name} "
        body = re.sub(r"\n{3,}", "\n\n", self.body.strip("\n"))
        if self.part():
            body = f"#if {switch(self.part())}\n\n{body}\n\n#endif"
        return f"\n{rule:-<95} */\n\n{self.head}\n{body}\n"


def collect(paths):
    """The pieces of paths and of all they include, each after those that it needs."""
    pieces = {}

    def visit(path):
        if path not in pieces:
            pieces[path] = None
            piece = Piece(path)
            for needed in piece.needs:
                visit(needed)
            del pieces[path]
            pieces[path] = piece

    for path in paths:
        visit(path)
    return pieces


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def plain_code(text):
    """The text with comments, literals and directives blanked, at the same offsets."""
    text = TOKEN.sub(lambda match: blank(match.group()), text)
    return DIRECTIVE.sub(lambda match: blank(match.group()), text)


def declarations(text):
    """(start, end) of what stands outside of all braces, up to a semicolon or a body's brace."""
    code = plain_code(text)
    start = depth = 0
    for match in re.finditer(r"[{};]", code):
        if match.group() == "{":
            if depth == 0 and not re.search(r"\b(struct|union|enum)\b[^()]*$|=\s*$",
                                            code[start:match.start()]):
                yield start, match.start()
                start = None
            depth += 1
        elif match.group() == "}":
            depth -= 1
            if depth == 0 and start is None:
                start = match.end()
        elif depth == 0:
            yield start, match.start()
            start = match.end()


def fits(mark, declaration):
    """May the mark stand on the line of the declaration without moving what is aligned to it?"""
    return "\n" not in declaration.strip() and len(mark) + len(declaration) < 98


def make_internal(text):
    """The text with a mark before each declaration that has no need to be public, or to be used."""
    code = plain_code(text)
    result, done = "", 0
    for start, end in declarations(text):
        start += len(code[start:end]) - len(code[start:end].lstrip())
        declaration = code[start:end]
        if re.match(r"(static(?! inline)|typedef|_Static_assert|static_assert)\b", declaration):
            continue
        if re.match(r"(struct|union|enum)\s*\w*\s*(\{|$)", declaration):
            continue
        if text[end] == "{" and re.search(r"\bcconc_(?!_)\w+\)?\s*\(", declaration):
            continue # a public function
        if re.search(r"\bcconc_port_\w+\s*\(", declaration):
            continue # a port's, or called by one
        mark = "CCONC_UNUSED" if declaration.startswith("static") else "CCONC_INTERNAL"
        result += text[done:start] + mark + (" " if fits(mark, declaration) else "\n")
        done = start + len(re.match(r"(extern\s+)?", declaration).group())
    return result + text[done:]


def public_functions(pieces):
    text = "".join(plain_code(piece.body) for piece in pieces)
    return sorted(set(re.findall(r"\bCCONC_API\b[^;(]*?\b(\w+)\s*\(", text)))


def fill(template, **values):
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def amalgamate():
    """The text of cconc.h, that of cconc.c, and the files that were read."""
    license_path = ROOT / "LICENSE"
    license_text = license_path.read_text(encoding="utf-8").rstrip("\n")
    license_text = "\n".join(f" * {line}".rstrip() for line in license_text.split("\n"))
    everything = ROOT / "include/cconc/cconc.h"
    public = collect([everything, ROOT / "include/cconc/static.h"])
    sources = [path for layer in LAYERS for path in sorted((ROOT / "src" / layer).glob("*.c"))]
    private = {path: piece for path, piece in collect([*public, *sources]).items()
               if path not in public}
    version = re.search(r'CCONC_VERSION_STRING "(.*)"',
                        public[ROOT / "include/cconc/version.h"].body).group(1)
    header_pieces = [piece for path, piece in public.items() if path != everything]
    static = public[ROOT / "include/cconc/static.h"]
    static.body = OF_PART.sub(lambda match: f"#if {switch(match[1])}\n{match[0]}\n#endif",
                              static.body)
    names = [f"#define {name} CCONC__NAME(CCONC_PREFIX, {name})"
             for name in public_functions(header_pieces)]
    header = fill(HEADER_START, VERSION=version, LICENSE=license_text, NAMES="\n".join(names),
                  PARTS=listed_parts(), SWITCHES=switches())
    header += includes(header_pieces, before="\n", after="\n")
    header += "".join(piece.written() for piece in header_pieces) + HEADER_END
    header = SHORT_CUT.sub(r"#if !defined(CCONC_PREFIX)\n\g<0>\n#endif", header)
    for piece in private.values():
        piece.body = make_internal(piece.body)
    source = fill(SOURCE_START, VERSION=version, LICENSE=license_text,
                  INCLUDES=includes(private.values()))
    source += "".join(piece.written() for piece in private.values()) + SOURCE_END
    return header, source, [license_path, *public, *private]


def switch(part):
    return "CCONC_ENABLE_" + part.upper()


def switches():
    """The default of each part's switch, and the error if it is 1 and one that it needs is not."""
    text = ["#if !defined(CCONC_ENABLE_ALL)", "#define CCONC_ENABLE_ALL 1", "#endif"]
    for part, needs in PARTS.items():
        value = " && ".join(["CCONC_ENABLE_ALL", *map(switch, needs)])
        text += [f"#if !defined({switch(part)})",
                 f"#define {switch(part)} {f'({value})' if needs else value}", "#endif"]
        for needed in needs:
            text += [f"#if {switch(part)} && !{switch(needed)}",
                     f'#error "{switch(part)} needs {switch(needed)}"', "#endif"]
    return "\n".join(text)


def listed_parts():
    """The names of the switches' ends, for the head of cconc.h."""
    text = ", ".join(part.upper() for part in sorted(PARTS)) + "."
    indent = " *                    "
    return textwrap.fill(text, 98, initial_indent=indent, subsequent_indent=indent)


def includes(pieces, before="", after=""):
    names = sorted({name for piece in pieces for name in piece.system})
    return before + "\n".join(f"#include <{name}>" for name in names) + after


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    header, source, read = amalgamate()
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    (out / "cconc.h").write_text(header, encoding="utf-8")
    (out / "cconc.c").write_text(source, encoding="utf-8")
    if len(sys.argv) == 3:
        files = " ".join(str(path) for path in [__file__, *read])
        pathlib.Path(sys.argv[2]).write_text(f"{out}/cconc.h {out}/cconc.c: {files}\n",
                                             encoding="utf-8")


if __name__ == "__main__":
    main()
