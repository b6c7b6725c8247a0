"""symbols.py - what the library exports is what its headers declare, its map lists, and was before.
SPDX-License-Identifier: MIT

Usage: symbols.py SOURCE_FOLDER SHARED_LIBRARY ARCHIVE
       symbols.py SOURCE_FOLDER --write-baseline

libcconc.abi has the types and functions of the headers as they were when it was written, in the
form of abidw; abidiff compares it with the shared library. Opaque structs are not its business.
"""
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

# Handlers of the process that the library does not have.
FORBIDDEN = {"atexit", "on_exit", "__cxa_atexit", "pthread_atfork", "__register_atfork"}
BASELINE = "tests/install/libcconc.abi"
MAP = "src/libcconc.map"

def run(*command, cwd=None):
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout


def header_text(include):
    """All headers, without comments."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(include.glob("*.h")))
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def without_directives(text):
    return re.sub(r"^#.*?(?<!\\)$", "", text, flags=re.DOTALL | re.MULTILINE)


def declared_functions(text):
    return set(re.findall(r"CCONC_API\b[^;(]*?\b(\w+)\s*\(", without_directives(text)))


def twins(text):
    """(name, twin) of what is only in the headers, and the function that does the same."""
    for name in re.findall(r"static inline\b[^;{(]*?([\w#]+)\s*\(", text):
        yield name, re.sub(r"_inline$", "", name.replace("name##_", "cconc_chan_"))
    for name in re.findall(r"^#define (cconc_\w+)\(", text, re.MULTILINE):
        yield f"macro {name}", name


def listed_functions(version_map):
    text = re.sub(r"#.*", "", version_map.read_text(encoding="utf-8"))
    exported = re.search(r"global:(.*)local:", text, re.DOTALL).group(1)
    return set(re.findall(r"[^\s;]+", exported))


def exported_functions(shared_library):
    """name -> (kind, version node)"""
    exported = {}
    for line in run("nm", "-gD", "--defined-only", shared_library).splitlines():
        _, kind, name = line.split()
        if kind != "A":
            name, _, node = name.partition("@@")
            exported[name] = (kind, node)
    return exported


def archive_globals(archive):
    lines = run("nm", "-g", "--defined-only", archive).splitlines()
    return {fields[2] for fields in map(str.split, lines) if len(fields) == 3}


def differences(left, left_name, right, right_name):
    for name in sorted(left - right):
        yield f"{name} is in {left_name} but not in {right_name}"
    for name in sorted(right - left):
        yield f"{name} is in {right_name} but not in {left_name}"


def export_faults(shared_library, listed, abi):
    exported = exported_functions(shared_library)
    yield from differences(listed, "libcconc.map", set(exported), "the .so")
    for name, found in sorted(exported.items()):
        if found != ("T", f"CCONC_{abi}"):
            yield f"{name} is exported as {found}, not as a function of CCONC_{abi}"
    needed = {line.split()[-1].partition("@")[0]
              for line in run("nm", "-uD", shared_library).splitlines()}
    for name in sorted(needed & FORBIDDEN):
        yield f"the .so calls {name}"
    dynamic = run("readelf", "-d", shared_library)
    for fact in (f"Library soname: [libcconc.so.{abi}]", "NODELETE"):
        if fact not in dynamic:
            yield f"{fact} is not in the dynamic section of the .so"


def archive_faults(archive, listed):
    names = archive_globals(archive)
    public = {name for name in names if not name.startswith("cconc__")}
    yield from differences(listed, "libcconc.map", public, "the archive")


def baseline_faults(source, shared_library):
    missing = None
    if not shutil.which("abidiff"):
        missing = "abidiff is not installed"
    elif platform.machine() != "x86_64":
        missing = "it was made on x86_64"
    elif ".debug_info" not in run("readelf", "-SW", shared_library):
        missing = "the .so has no debug information"
    if missing:
        print(f"SKIPPED: the comparison with libcconc.abi: {missing}")
        return
    result = subprocess.run(["abidiff", source / BASELINE, shared_library],
                            capture_output=True, text=True, check=False)
    if result.returncode:
        yield (f"{result.stdout}{result.stderr}the ABI is not that of {BASELINE}. If that is meant "
               "and no release has the old one, write it anew with --write-baseline; otherwise "
               "CCONC_ABI_VERSION rises.")


def write_baseline(source, text):
    """From a library of functions that do nothing, so that it has what the headers have."""
    prototypes = re.findall(r"CCONC_API\b[^;{]*;", without_directives(text))
    bodies = [re.sub(r"(CCONC_PRINTF\([^)]*\)\s*)?;$", "{ __builtin_trap(); }\n", prototype)
              for prototype in prototypes]
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "stub.c").write_text("#define CCONC_NO_INLINE 1\n#include <cconc/cconc.h>\n"
                                       "#include <cconc/static.h>\n" + "".join(bodies),
                                       encoding="utf-8")
        abi = version_define(source, "ABI_VERSION")
        run("cc", "-g", "-shared", "-fPIC", f"-I{source / 'include'}", "stub.c", "-o", "stub.so",
            f"-Wl,--version-script={source / MAP},-soname,libcconc.so.{abi}", cwd=folder)
        run("abidw", "--headers-dir", source / "include", "--no-comp-dir-path", "--no-show-locs",
            "--no-corpus-path", "--no-elf-needed", "--no-parameter-names",
            "--no-write-default-sizes", "--drop-undefined-syms", "--out-file", source / BASELINE,
            "stub.so", cwd=folder)


def version_define(source, name):
    text = (source / "include" / "cconc" / "version.h").read_text(encoding="utf-8")
    return re.search(rf"define CCONC_{name} (\d+)", text).group(1)


def find_faults(source, text, shared_library, archive):
    declared = declared_functions(text)
    listed = listed_functions(source / MAP)
    yield from differences(declared, "the headers", listed, "libcconc.map")
    for name in sorted(listed):
        if not name.startswith("cconc_") or name.startswith("cconc__"):
            yield f"{name} is exported but not a public name"
    for name, twin in twins(text):
        if twin not in listed:
            yield f"{name} is only in the headers: no {twin} is exported"
    yield from export_faults(shared_library, listed, version_define(source, "ABI_VERSION"))
    yield from archive_faults(archive, listed)
    yield from baseline_faults(source, shared_library)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    source = pathlib.Path(sys.argv[1]).resolve()
    text = header_text(source / "include" / "cconc")
    if sys.argv[2:] == ["--write-baseline"]:
        return write_baseline(source, text)
    faults = list(find_faults(source, text, sys.argv[2], sys.argv[3]))
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
