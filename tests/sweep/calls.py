#!/usr/bin/env python3
"""calls.py - writes the swept form of every call that may run out of memory, from the headers.
SPDX-License-Identifier: MIT

Usage: calls.py HEADER_FOLDER OUT_HEADER OUT_SOURCE DEPFILE

Test programs are compiled with OUT_HEADER in front: their calls of functions whose contract has
ENOMEM go to functions of OUT_SOURCE, which do the same, or, in a sweep, call again and again
(support.h). The library's own calls are as ever.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "grid"))
from generate import COMMENT, codes_of, parse_header

BODY = """
{result} sweep_{name}({parameters});
{result} sweep_{name}({parameters})
{{
    struct support_swept swept = {{.name = "{name}"{outputs}}};
    {result} err;
    if (!support_swept_begin(&swept)) {{
        return {name}({arguments});
    }}
    do {{
        err = {name}({arguments});
    }} while (support_swept_again(&swept, err));
    return err;
}}
"""


# Written by hand (tests/support/sweep_flight.c): they take arg away even if they fail.
BY_HAND = {"cconc_flight_do", "cconc_flight_do_async"}


def declare(kind_type, name):
    """The declaration of a parameter; the grid leaves out the const of what is pointed to."""
    if kind_type.startswith("void (*)("):
        return kind_type.replace("(*)", f"(*{name})", 1)
    return kind_type + ("" if kind_type.endswith("*") else " ") + name


def outputs_of(function):
    """The initialiser of what must be as before if the call fails."""
    known = [(kind, name) for kind, name in function.parameters
             if name.startswith("out_") and kind.endswith("*") and kind != "void *"]
    if not known:
        return ""
    if len(known) > 1:
        sys.exit(f"calls.py: {function.name} has more than one output")
    name = known[0][1]
    return f", .out = {name}, .size = sizeof(*{name})"


def write_call(function, constants):
    parameters = [constants.get((function.name, name), "") + declare(kind, name)
                  for kind, name in function.parameters]
    return BODY.format(result=function.result, name=function.name,
                       parameters=", ".join(parameters) or "void", outputs=outputs_of(function),
                       arguments=", ".join(name for _, name in function.parameters))


def constants_of(folder, names):
    """"const " for each parameter that is declared with it."""
    found = {}
    for name in names:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text = COMMENT.sub("", file.read())
        for match in re.finditer(r"\b(cconc_\w+)\(([^;]*)\);", text):
            for part in match.group(2).split(","):
                words = re.match(r"\s*const .*?(\w+)\s*$", part)
                if words:
                    found[match.group(1), words.group(1)] = "const "
    return found


def main():
    folder, out_header, out_source, depfile = sys.argv[1:]
    names = sorted(os.listdir(folder))
    functions = [f for name in names for f in parse_header(os.path.join(folder, name))[0]]
    swept = [f for f in functions if f.is_status() and "ENOMEM" in codes_of(f, functions)]
    constants = constants_of(folder, names)
    with open(out_header, "w", encoding="utf-8") as file:
        file.write("/* Written by calls.py. */\n")
        file.writelines(f"#pragma redefine_extname {f.name} sweep_{f.name}\n" for f in swept)
    with open(out_source, "w", encoding="utf-8") as file:
        file.write('/* Written by calls.py. */\n#include "support.h"\n\n'
                   "#include <cconc/cconc.h>\n#include <cconc/static.h>\n")
        file.writelines(write_call(f, constants) for f in swept if f.name not in BY_HAND)
    with open(depfile, "w", encoding="utf-8") as file:
        headers = " ".join(os.path.join(folder, name) for name in names)
        file.write(f"{out_header} {out_source}: {headers}\n")


main()
