"""debian.py - docs/packaging/debian says what the library is: its version, SONAME and symbols.
SPDX-License-Identifier: MIT

Usage: debian.py SOURCE_FOLDER [--write-symbols]

A symbol stands with the version that it came with. --write-symbols keeps those that are there,
takes out what src/libcconc.map no longer has, and adds what is new, with the version of version.h.
"""
import pathlib
import re
import subprocess
import sys

from symbols import MAP, differences, listed_functions, version_define

PACKAGING = pathlib.PurePath("docs/packaging/debian")
SYMBOL = re.compile(r" (\w+)@(\w+) (\S+)")


class Packaging:
    """The folder, and what it has to agree with."""

    def __init__(self, source):
        self.folder = source / PACKAGING
        header = source / "include/cconc/version.h"
        self.version = subprocess.run([sys.executable, source / "src/tools/version.py", header],
                                      check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        self.abi = version_define(source, "ABI_VERSION")
        self.package = f"libcconc{self.abi}"
        self.node = f"CCONC_{self.abi}"
        self.functions = listed_functions(source / MAP)

    def read(self, name):
        return (self.folder / name).read_text(encoding="utf-8")

    def symbols_path(self):
        return self.folder / f"{self.package}.symbols"

    def symbols_head(self):
        return (f"libcconc.so.{self.abi} {self.package} #MINVER#\n"
                "* Build-Depends-Package: libcconc-dev\n")

    def stored_symbols(self):
        """(name, node) -> the version that it came with."""
        if not self.symbols_path().exists():
            return {}
        lines = self.symbols_path().read_text(encoding="utf-8").splitlines()
        matches = filter(None, map(SYMBOL.fullmatch, lines))
        return {(match[1], match[2]): match[3] for match in matches}

    def symbols_text(self):
        stored = self.stored_symbols()
        lines = [f" {name}@{self.node} {stored.get((name, self.node), self.version)}\n"
                 for name in sorted(self.functions | {self.node})]
        return self.symbols_head() + "".join(lines)


def number(version):
    return tuple(int(part) for part in version.split("."))


def symbol_faults(packaging):
    name = packaging.symbols_path().name
    if not packaging.symbols_path().exists():
        yield f"there is no {name}"
        return
    stored = packaging.stored_symbols()
    yield from differences({f"{symbol}@{packaging.node}" for symbol in packaging.functions} |
                           {f"{packaging.node}@{packaging.node}"}, "libcconc.map",
                           {"@".join(key) for key in stored}, name)
    for (symbol, _), since in stored.items():
        if not re.fullmatch(r"\d+\.\d+\.\d+", since) or number(since) > number(packaging.version):
            yield f"{symbol} came with {since} says {name}, but this is {packaging.version}"
    if packaging.symbols_path().read_text(encoding="utf-8") != packaging.symbols_text():
        yield f"{name} is not what --write-symbols writes"


def find_faults(packaging):
    head = packaging.read("changelog").splitlines()[0]
    if not head.startswith(f"libcconc ({packaging.version}) "):
        yield f"the changelog begins with '{head}', version.h with {packaging.version}"
    packages = re.findall(r"^Package: (\S+)$", packaging.read("control"), re.MULTILINE)
    yield from differences({packaging.package, "libcconc-dev"}, "what the SONAME asks for",
                           set(packages), "the packages of control")
    for path in sorted(packaging.folder.iterdir()):
        owner = re.match(r"libcconc(\d+)\.", path.name)
        if owner and owner[1] != packaging.abi:
            yield f"{path.name} is of no package: the library is {packaging.package}"
    yield from symbol_faults(packaging)


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--write-symbols"]):
        sys.exit(__doc__)
    packaging = Packaging(pathlib.Path(sys.argv[1]).resolve())
    if sys.argv[2:]:
        packaging.symbols_path().write_text(packaging.symbols_text(), encoding="utf-8")
        return
    faults = list(find_faults(packaging))
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
