"""machines.py - the machines that the library is compiled for here, and what comes of it.
SPDX-License-Identifier: MIT

Every source of src/ is compiled as a port has it, with the types of none.h and without malloc, for
size. What is asked of the compilers by the layer's other scripts stands here, too.
"""
import glob
import multiprocessing.pool
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LAYERS = ("plat", "core", "prim", "task")
PORT = ['-DCCONC_PLAT_HEADER="none.h"', "-DCCONC_NO_MALLOC=1", "-I" + HERE]
LANGUAGE = ["-std=c11", "-Os", "-ffunction-sections", "-fdata-sections"]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow",
            "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wvla", "-Walloca", "-Werror"]
SKIP = 77

# Name -> tools and options.
ARM = "arm-none-eabi-"
RISCV = "riscv64-unknown-elf-"
PICOLIBC = "--specs=picolibc.specs"
MACHINES = {core: (ARM, ["-mthumb", "-mcpu=" + core])
            for core in ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33")}
MACHINES["rv32imac"] = (RISCV, ["-march=rv32imac", "-mabi=ilp32"])
MACHINES["rv64imac"] = (RISCV, ["-march=rv64imac", "-mabi=lp64"])
C_LIBRARY = {ARM: [], RISCV: [PICOLIBC]} # how it is told; RISC-V has none by default


def compiler_of(name, library=None):
    """The compiler for a machine with its options, and with those of a C library."""
    tools, flags = MACHINES[name]
    return [tools + "gcc", *flags, *(C_LIBRARY[tools] if library is None else library)]


def sources():
    """The paths of all sources, lowest layer first."""
    return [path for layer in LAYERS
            for path in sorted(glob.glob(os.path.join(ROOT, "src", layer, "*.c")))]


def found_machines(names=MACHINES):
    """The machines whose compiler works; the others are named. Exits if none does for ARM."""
    found = []
    for name in names:
        command = compiler_of(name)
        compiler = command[0]
        if not shutil.which(compiler):
            print(f"SKIPPED: {name}, {compiler} is not installed")
            continue
        result = subprocess.run([*command, "-xc", "-fsyntax-only", "-"], text=True,
                                input="#include <errno.h>\n#include <string.h>\n",
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode != 0:
            print(f"SKIPPED: {name}, {compiler} does not work here:\n{result.stdout}")
            continue
        found.append(name)
    if not any(MACHINES[name][0] == ARM for name in found):
        print("SKIP because arm-none-eabi-gcc is not installed")
        sys.exit(SKIP)
    return found


def object_path(path, folder):
    name = os.path.relpath(path, ROOT).replace(os.sep, "_").lstrip("._")
    return os.path.join(folder, name[:-2] + ".o")


def compile_all(machine, folder, files=None, extra=()):
    """Compile the files, or all sources, into folder. Gives the objects and the faults."""
    include = ["-I" + os.path.join(ROOT, "include"), "-I" + os.path.join(ROOT, "src")]

    def compile_one(path):
        target = object_path(path, folder)
        command = [*compiler_of(machine), *LANGUAGE, *PORT, *extra,
                   *(WARNINGS if files is None else []), *include, "-c", path, "-o", target]
        result = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        return target, result.stdout if result.returncode != 0 else ""

    with multiprocessing.pool.ThreadPool() as pool:
        done = pool.map(compile_one, files or sources())
    return [target for target, _ in done], [text for _, text in done if text]


def run_tool(machine, tool, *arguments):
    command = [MACHINES[machine][0] + tool, *arguments]
    return subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE).stdout


def symbols(machine, objects):
    """The names that the objects define for others, and those that they need."""
    defined, needed = set(), set()
    for line in run_tool(machine, "nm", "-g", *objects).splitlines():
        match = re.match(r"\s*(?:[0-9a-f]+ )?\s*([A-Za-z]) (\S+)$", line)
        if match:
            (needed if match.group(1) in "Uw" else defined).add(match.group(2))
    return defined, needed - defined
