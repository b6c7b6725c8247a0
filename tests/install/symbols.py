"""symbols.py - what the library exports is what its headers declare and its map lists.
SPDX-License-Identifier: MIT

Usage: symbols.py SOURCE_FOLDER SHARED_LIBRARY ARCHIVE
"""
import pathlib
import re
import subprocess
import sys


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def declared_functions(include):
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(include.glob("*.h")))
    text = re.sub(r"/\*.*?\*/|^#.*?(?<!\\)$", "", text, flags=re.DOTALL | re.MULTILINE)
    return set(re.findall(r"CCONC_API\b[^;(]*?\b(\w+)\s*\(", text))


def listed_functions(version_map):
    text = re.sub(r"#.*", "", version_map.read_text(encoding="utf-8"))
    exported = re.search(r"global:(.*)local:", text, re.DOTALL).group(1)
    return set(re.findall(r"[^\s;]+", exported))


def exported_functions(shared_library):
    listing = run("nm", "-D", "--defined-only", shared_library)
    names = [line.split() for line in listing.splitlines()]
    return {name.split("@")[0] for _, kind, name in names if kind != "A"}


def archive_globals(archive):
    lines = run("nm", "-g", "--defined-only", archive).splitlines()
    return {fields[2] for fields in map(str.split, lines) if len(fields) == 3}


def differences(left, left_name, right, right_name):
    for name in sorted(left - right):
        yield f"{name} is in {left_name} but not in {right_name}"
    for name in sorted(right - left):
        yield f"{name} is in {right_name} but not in {left_name}"


def find_faults(source, shared_library, archive):
    declared = declared_functions(source / "include" / "cconc")
    listed = listed_functions(source / "src" / "libcconc.map")
    yield from differences(declared, "the headers", listed, "libcconc.map")
    yield from differences(listed, "libcconc.map", exported_functions(shared_library), "the .so")
    for name in sorted(listed):
        if not name.startswith("cconc_") or name.startswith("cconc__"):
            yield f"{name} is exported but not a public name"
    for name in sorted(archive_globals(archive)):
        if not name.startswith("cconc_"):
            yield f"{name} is global in the archive but does not begin with cconc_"
    version_header = (source / "include" / "cconc" / "version.h").read_text(encoding="utf-8")
    abi = re.search(r"define CCONC_ABI_VERSION (\d+)", version_header).group(1)
    dynamic = run("readelf", "-d", shared_library)
    for fact in (f"[libcconc.so.{abi}]", "NODELETE"):
        if fact not in dynamic:
            yield f"{fact} is not in the dynamic section of the .so"


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    faults = list(find_faults(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
