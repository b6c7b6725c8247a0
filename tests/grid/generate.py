#!/usr/bin/env python3
"""generate.py - writes the grid of bad input from the public headers and the recipes.
SPDX-License-Identifier: MIT

Usage: generate.py HEADER_FOLDER MISUSE_PAGE MANUAL_FOLDER OUTPUT DEPFILE RECIPE...

Of each public function it takes the parameters and the codes of its contract: those named after
`Returns:`, those of other functions it refers to ("as send"), and what callbacks of ours return,
where it speaks of a code that is not the library's. A contract stands above all prototypes up to
the next comment. A pointer may be NULL if the contract, one that it refers to, or the preface of
the header speaks of NULL; else that must be told as misuse. A call may allocate if ATTRIBUTES of
the manual says so. Without a recipe for the type of a
parameter, or without codes for what returns an int, it ends with an error: no function is left out
in silence.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs"))
from pages import functions_that, read_pages

# int, but no code: what it gives is checked by unit tests alone.
NUMBERS = {"cconc_ctx_signal", "cconc_group_fail"}

# Outputs that are written beside a code other than 0, as their contracts say: a message goes with
# a failure, an index with the code of the case.
WRITTEN = {("cconc_ctx_cause", "out_message"), ("cconc_group_wait", "out_message"),
           ("cconc_select", "out_index")}

# Parameters that need another kind than their type says.
KINDS = {("cconc_objpool_get", "out_object"): "out_object",
         ("cconc_objpool_put", "object"): "lent",
         ("cconc_pool_join", "task"): "joined_task",
         ("cconc_flight_send", "chan"): "outcomes",
         ("cconc_ctx_with_signals", "signals"): "signals"}

# A function that must have been written by hand where a field of an options struct is set.
FIELD_FUNCTIONS = {
    "cconc_chan_drop_fn": "grid_drop", "cconc_flight_destroy_fn": "grid_nothing",
    "cconc_objpool_create_fn": "grid_create", "cconc_objpool_reset_fn": "grid_reset",
    "cconc_objpool_destroy_fn": "grid_destroy_object", "cconc_objpool_size_fn": "grid_size_of",
    "void (*)(void *)": "grid_nothing",
    "void (*)(void *, cconc_task_fn, void *)": "grid_on_drop",
    "void (*)(void *, cconc_task_fn, void *, int)": "grid_on_error"}

# What an options struct needs to be right at all.
USUAL = {"cconc_objpool_opts": ".size = 16"}

NUMBER_FIELDS = {"int32_t": ["-1", "INT32_MIN", "INT32_MAX", "1"],
                 "int64_t": ["-1", "INT64_MIN", "INT64_MAX", "1"],
                 "uint32_t": ["UINT32_MAX", "1"], "uint64_t": ["UINT64_MAX", "1"],
                 "size_t": ["SIZE_MAX", "SIZE_MAX / 2 + 1", "1"], "bool": ["true"]}

SIMPLE = {"int64_t": "int64", "int32_t": "int32", "int": "int32", "uint32_t": "uint32",
          "size_t": "size", "double": "double", "char *": "text", "void *": "bytes"}
MEMBERS = {"int64": "integer", "int32": "integer", "uint32": "integer", "size": "size",
           "double": "number"}

DIRECTIVE = re.compile(r"^#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
EXAMPLE = re.compile(r"^ \* Example.*?(?=^ \* Lifetime)", re.MULTILINE | re.DOTALL)
WORDS = re.compile(r"\b(?:Requires|Returns|Owns|Blocks|Orders):")
CODE = re.compile(r"\bE[A-Z]{3,}\b|(?<![\w.^])0(?![\w.])")
REFERENCE = re.compile(r"\bas ([a-z_]+)")
WITHOUT = re.compile(r"\bwithout (E[A-Z]+)")
FOREIGN = re.compile(r"\bcode\b|\bfirst (?:error|failure)\b")


class Failure(Exception):
    """What generate.py cannot do; all of them are told."""


class Function:
    def __init__(self, result, name, parameters, contract, header, preface):
        self.result = result
        self.name = name
        self.parameters = parameters
        self.contract = contract
        self.header = header
        self.preface = preface

    def is_status(self):
        return self.result == "int" and self.name not in NUMBERS


def split_list(text):
    """The parts between commas that stand in no parentheses."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [" ".join(part.split()) for part in parts + [text[start:]] if part.strip()]


def parse_declaration(text):
    """Type and name of a parameter or field; const of what is pointed to is left out."""
    inline = re.match(r"void \(\*(\w+)\)\((.*)\)$", text)
    if inline:
        types = [parse_declaration(part)[0] for part in split_list(inline.group(2))]
        return f"void (*)({', '.join(types)})", inline.group(1)
    match = re.match(r"(?:const )?(\w+) ?(\**)(?:const )?(\w+)(\[\w+\])?$", text)
    if not match:
        raise Failure(f"cannot read the declaration '{text}'")
    base, stars, name, array = match.groups()
    return base + (" " + stars if stars else "") + (array or ""), name


def parse_header(path):
    """The functions of one header, each with its contract, and its structs of options."""
    with open(path, encoding="utf-8") as file:
        text = DIRECTIVE.sub("", file.read())
    functions, contract, position = [], "", 0
    preface = EXAMPLE.sub("", COMMENT.search(text).group())
    token = re.compile(r"/\*.*?\*/|\bCCONC_API\b([^;]*);", re.DOTALL)
    while match := token.search(text, position):
        position = match.end()
        if match.group(1) is None:
            contract = re.sub(r"\n? \* ?", " ", match.group())
            continue
        bare = re.sub(r"CCONC_NODISCARD|CCONC_PRINTF\(.*\)", "", match.group(1))
        bare = " ".join(COMMENT.sub("", bare).split())
        parts = re.match(r"(.*?)(cconc_\w+)\((.*)\)$", bare)
        parameters = [] if parts.group(3) == "void" else split_list(parts.group(3))
        functions.append(Function(parts.group(1).strip(), parts.group(2),
                                  [p if p == "..." else parse_declaration(p) for p in parameters],
                                  contract, os.path.basename(path), preface))
    options = {match.group(1): parse_fields(match.group(2)) for match in
               re.finditer(r"typedef struct (\w+_opts) \{(.*?)\} \1;", COMMENT.sub("", text),
                           re.DOTALL)}
    return functions, options


def parse_fields(text):
    return [parse_declaration(" ".join(field.split()))
            for field in text.split(";") if field.strip()]


# ---- contracts ------------------------------------------------------------------------------


def returns_of(function):
    parts = WORDS.split(function.contract)
    names = WORDS.findall(function.contract)
    for name, text in zip(names, parts[1:]):
        if name == "Returns:":
            return text
    raise Failure(f"{function.header}: {function.name} returns an int, and its contract has no "
                  "'Returns:'")


def references(function, text, functions):
    """The functions of the same header that text, of function's contract, refers to."""
    words = REFERENCE.findall(text)
    return [other for other in functions
            if other.header == function.header and other.name != function.name and
            any(re.fullmatch(rf"cconc_[a-z]+_{word}", other.name) for word in words)]


def codes_of(function, functions, seen=()):
    """All codes that the contract of function allows."""
    text = returns_of(function)
    codes = set(CODE.findall(text))
    for other in references(function, text, functions):
        if other.name not in seen:
            codes |= codes_of(other, functions, seen + (function.name,))
    for word in WITHOUT.findall(text):
        codes.discard(word)
    if FOREIGN.search(text):
        codes.add("GRID_FAILED")
    if not codes:
        raise Failure(f"{function.header}: the contract of {function.name} names no code")
    return codes


def may_be_null(function, kind_type, functions):
    """Is there a word on NULL for a parameter of this type? Bytes and texts need none."""
    if not kind_type.endswith("*") or kind_type in ("void *", "char *", "cconc_ctx *"):
        return True
    texts = [function.contract, function.preface]
    texts += [other.contract for other in references(function, function.contract, functions)]
    return any("NULL" in text for text in texts)


# ---- parameters -----------------------------------------------------------------------------


def kind_of(function, kind_type, name):
    """The name of the kind that gives values to a parameter."""
    if (function.name, name) in KINDS:
        return KINDS[function.name, name]
    if kind_type == "void (*)(void *)":
        return "fn_plain"
    if kind_type.endswith("_fn"):
        return "fn_" + kind_type[len("cconc_"):-len("_fn")]
    if kind_type.endswith("_opts *"):
        return "opts_" + kind_type[:-len(" *")]
    if name.startswith("out_"):
        made = re.fullmatch(r"cconc_(\w+) \*\*", kind_type)
        if made:
            return "out_" + made.group(1)
        return "out_bytes" if kind_type in ("void *", "bool *") else "out"
    if kind_type in SIMPLE:
        return SIMPLE[kind_type]
    return re.sub(r"^cconc_| \*$", "", kind_type)


def argument(function, kind_type, index, kind):
    """The expression that an argument of a call is."""
    if kind in MEMBERS:
        return f"({kind_type})c->args[{index}].{MEMBERS[kind]}"
    if kind.startswith("fn_"):
        return f"({kind_type})c->args[{index}].function"
    return f"({'const ' if kind_type == 'char **' else ''}{kind_type})c->args[{index}].pointer"


# ---- options --------------------------------------------------------------------------------


def variants_of(name, fields):
    """(name of the value, initialiser, sort) of each variant of an options struct."""
    usual = USUAL.get(name, "")
    start = usual + ", " if usual else ""
    variants = [] if not usual else [("zeroed", "{0}", "GRID_RIGHT")]
    for kind_type, field in fields:
        array = re.fullmatch(r"uint64_t\[(\d+)\]", kind_type)
        if array:
            last = int(array.group(1)) - 1
            variants += [(f"{field}[{i}]", f"{{{start}.{field}[{i}] = 1}}", "GRID_REFUSED")
                         for i in sorted({0, last})]
        elif field.startswith("reserved"):
            variants.append((field, f"{{{start}.{field} = 1}}", "GRID_REFUSED"))
        elif kind_type in NUMBER_FIELDS:
            variants += [(f"{field} = {value}",
                          f"{{{start}.{field} = {value}}}" if field not in usual
                          else f"{{.{field} = {value}}}", "GRID_RIGHT")
                         for value in NUMBER_FIELDS[kind_type]]
        elif kind_type in FIELD_FUNCTIONS:
            variants.append((field, f"{{{start}.{field} = {FIELD_FUNCTIONS[kind_type]}}}",
                             "GRID_RIGHT"))
        elif kind_type == "char *":
            variants.append((field, f'{{{start}.{field} = "text"}}', "GRID_RIGHT"))
        elif kind_type.startswith("cconc_"):
            variants.append((f"misaligned {field}",
                             f"{{{start}.{field} = ({kind_type})(void *)(grid_astray + 1)}}",
                             "GRID_MISALIGNED"))
        elif kind_type != "void *":
            raise Failure(f"{name}: no values for the field {field} of type {kind_type}")
    variants.append(("usual", f"{{{usual or '0'}}}", "GRID_RIGHT"))
    return variants


def write_options(out, name, fields):
    variants = variants_of(name, fields)
    out.append(f"static const {name} {name}_variants[] = {{")
    out.extend(f"    {initialiser}," for _, initialiser, _ in variants)
    out.append("};")
    out.append(f"static const grid_value {name}_values[] = {{")
    out.append('    {"NULL", GRID_NULL},')
    out.append('    {"misaligned", GRID_MISALIGNED},')
    out.extend(f'    {{"{value}", {sort}}},' for value, _, sort in variants)
    out.append("};")
    out.append(f"static const grid_kind grid_opts_{name} = {{{name}_values, {len(variants) + 2}, "
               f"grid_make_variant, NULL, NULL, false, {name}_variants, sizeof({name})}};")
    out.append("")


# ---- the program ----------------------------------------------------------------------------


def bool_of(value):
    return "true" if value else "false"


def write_function(out, function, functions, recipes, never_allocate):
    parameters = [p for p in function.parameters if p != "..."]
    entries, arguments = [], []
    for index, (kind_type, name) in enumerate(parameters):
        kind = kind_of(function, kind_type, name)
        if f"grid_{kind}" not in recipes:
            raise Failure(f"{function.header}: no recipe for {name}, a '{kind_type}', of "
                          f"{function.name}: tests/grid needs a grid_kind grid_{kind}")
        is_count = name == "out_count" or (function.name, name) in WRITTEN
        flags = f"{bool_of(is_count)}, {bool_of(may_be_null(function, kind_type, functions))}"
        entries.append(f'{{"{name}", &grid_{kind}, {flags}}}')
        arguments.append(argument(function, kind_type, index, kind))
        if kind == "out" and kind_type.count("*") == 1:
            size = f"sizeof({kind_type[:-len(' *')]})"
            out.append(f'_Static_assert({size} <= GRID_ROOM, "it has room");')
    if "..." in function.parameters:
        arguments.append("0")
    call = f"{function.name}({', '.join(arguments)})"
    if function.is_status():
        body = f"c->code = {call};"
    elif re.fullmatch(r"cconc_\w+ \*", function.result):
        body = f"c->result = {call};"
    else:
        body = call + ";" if function.result == "void" else f"(void){call};"
    out.append(f"static void {function.name}_run(grid_call *c)")
    out.extend(["{", "    (void)c;", f"    {body}", "}"])
    codes = "NULL, 0"
    if function.is_status():
        listed = sorted(codes_of(function, functions))
        out.append(f"static const int {function.name}_codes[] = {{{', '.join(listed)}}};")
        codes = f"{function.name}_codes, {len(listed)}"
    if entries:
        out.append(f"static const grid_parameter {function.name}_parameters[] = {{"
                   f"{', '.join(entries)}}};")
    after = f"grid_after_{function.name}"
    takes = bool(re.search(r"_(free|unref|leave|destroy)$", function.name))
    takes_if_0 = function.name in ("cconc_flight_then", "cconc_flight_send")
    out.append("")
    return (f'    {{"{function.name}", {function.name + "_parameters" if entries else "NULL"}, '
            f'{len(entries)}, {function.name}_run, {codes}, {bool_of(takes)}, '
            f'{bool_of(takes_if_0)}, {after if after in recipes else "NULL"}, '
            f'{bool_of(function.name in never_allocate)}}},')


def misuse_patterns(path):
    """The messages of the page as extended regular expressions."""
    with open(path, encoding="utf-8") as file:
        rows = re.findall(r"^\| `([^`]+)` \|", file.read(), re.MULTILINE)
    if not rows:
        raise Failure(f"{path} has no messages")
    for row in rows:
        text = re.sub(r"[.()\[\]+*?^$|]", lambda m: "[" + m.group() + "]", row)
        text = re.sub(r"\bN\b", "-?[0-9]+", text)
        yield "^" + re.sub(r"\bCALL\b", "[a-z_]+( [a-z_]+)?", text) + "$"


def find_recipes(paths):
    """Names of the kinds and undoers that recipes define."""
    names = set()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        names |= set(re.findall(r"^const grid_kind (grid_\w+)", text, re.MULTILINE))
        names |= set(re.findall(r"\b(grid_after_\w+)\(", text))
        for macro, prefix in (("GRID_NUMBERS", ""), ("GRID_FUNCTION", "fn_"), ("GRID_OUT", "out_"),
                              ("OBJECT", ""), ("STORAGE", "")):
            names |= {f"grid_{prefix}{name}"
                      for name in re.findall(rf"^{macro}\((\w+),", text, re.MULTILINE)}
    return names


def generate(folder, page, manual, recipe_paths):
    functions, options = [], {}
    for name in sorted(os.listdir(folder)):
        found, structs = parse_header(os.path.join(folder, name))
        functions += found
        options.update(structs)
    recipes = find_recipes(recipe_paths)
    out = ['/* Written by generate.py. */', '#include "grid.h"', "", "#include <errno.h>", ""]
    out.extend(f"extern const grid_kind {name};" for name in sorted(recipes)
               if not name.startswith("grid_after_"))
    out.extend(f"void {name}(grid_call *call);" for name in sorted(recipes)
               if name.startswith("grid_after_"))
    out.append("")
    for name, fields in sorted(options.items()):
        write_options(out, name, fields)
        recipes.add(f"grid_opts_{name}")
    never_allocate = functions_that(manual, "alloc", "no")
    rows, failures = [], []
    for function in functions:
        try:
            rows.append(write_function(out, function, functions, recipes, never_allocate))
        except Failure as failure:
            failures.append(str(failure))
    if failures:
        raise Failure("\n    ".join(failures))
    out.extend(["const grid_function grid_functions[] = {", *rows, "};",
                f"const size_t grid_function_count = {len(rows)};", ""])
    patterns = list(misuse_patterns(page))
    out.append("const char *const grid_messages[] = {")
    out.extend(f'    "{pattern}",' for pattern in patterns)
    out.extend(["};", f"const size_t grid_message_count = {len(patterns)};", ""])
    return "\n".join(out)


def main():
    folder, misuse_page, manual, output, depfile, *recipes = sys.argv[1:]
    try:
        text = generate(folder, misuse_page, manual, recipes)
    except Failure as failure:
        sys.exit(f"generate.py: {failure}")
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)
    headers = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    headers += [page.path for page in read_pages(manual)]
    with open(depfile, "w", encoding="utf-8") as file:
        file.write(f"{output}: {' '.join(headers + [misuse_page] + recipes)}\n")


if __name__ == "__main__":
    main()
