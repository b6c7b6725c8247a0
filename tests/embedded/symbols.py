#!/usr/bin/env python3
"""symbols.py - compiles all of src/ for machines without a system, and looks at what is missing.
SPDX-License-Identifier: MIT

What the objects need and do not define is what symbols.txt says: the functions of a port, all of
them, and nothing else but what it names. So no atomic of 64 bits, no malloc, no stdio, no errno.
The same for the library in two files. And what they define for others begins with cconc_.
"""
import os
import subprocess
import sys
import tempfile

from machines import HERE, ROOT, compile_all, found_machines, symbols


def read_allowed():
    """(purpose, name) pairs."""
    allowed = []
    with open(os.path.join(HERE, "symbols.txt"), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                purpose, *names = line.split()
                allowed += [(purpose, name) for name in names]
    return allowed


def check(machine, what, objects, allowed):
    """The faults of the objects, as lines."""
    defined, needed = symbols(machine, objects)
    port = {name for purpose, name in allowed if purpose == "port"}
    may = port | {name for purpose, name in allowed
                  if purpose == "c" or machine.startswith(purpose)}
    faults = [f"needs {name}, which symbols.txt does not allow" for name in sorted(needed - may)]
    faults += [f"does not need {name}: is it in use?" for name in sorted(port - needed)]
    faults += [f"defines {name} for all" for name in sorted(defined)
               if not name.startswith("cconc_")]
    print(f"{machine}, {what}: {len(objects)} objects, {len(needed)} names needed, "
          f"{len(faults)} faults")
    return [f"{machine}, {what}: {fault}" for fault in faults]


def check_machine(machine, folder, allowed):
    objects, errors = compile_all(machine, folder)
    if errors:
        return [f"{machine}: does not compile\n{errors[0]}"]
    faults = check(machine, "all of src", objects, allowed)
    amalgamation = [os.path.join(folder, "cconc.c")]
    objects, errors = compile_all(machine, folder, files=amalgamation)
    if errors:
        return faults + [f"{machine}: cconc.c does not compile\n{errors[0]}"]
    return faults + check(machine, "cconc.c", objects, allowed)


def main():
    faults, allowed = [], read_allowed()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, os.path.join(ROOT, "src/tools/amalgamate.py"), folder],
                       check=True)
        for machine in found_machines():
            faults += check_machine(machine, folder, allowed)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
