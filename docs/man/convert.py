"""convert.py - makes a manual page for man(1) of one of the pages here.
SPDX-License-Identifier: MIT

Usage: convert.py PANDOC VERSION INPUT OUTPUT

pandoc writes what no formatter needs and mandoc complains of: a paragraph right after a heading, and
fonts named C and V, which nroff does not have. It also makes a paragraph of each cell of a table, which
troff fills to a width that few names of functions fit in, and warns. A cell of one line needs no filling.
"""
import re
import subprocess
import sys


def unfold_cells(table):
    """A table as pandoc wrote it; without widths its columns become as wide as their cells."""
    text = table.group()
    if re.search(r"w\(", text.splitlines()[2]):
        return text
    return re.sub(r"T\{\n([^.'\n][^\n]*)\nT\}", r"\1", text)


def main():
    pandoc, version, source, target = sys.argv[1:]
    page = subprocess.run([pandoc, "--standalone", "--from=markdown-smart", "--to=man",
                           "--columns=78", f"--variable=footer:libcconc {version}", source],
                          check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8").stdout
    page = re.sub(r"^(\.SH .*\n)\.PP\n", r"\1", page, flags=re.MULTILINE)
    page = page.replace(r"\f[C]", r"\f[R]").replace(r"\f[V]", r"\f[B]")
    page = re.sub(r"^\.TS\n.*?^\.TE$", unfold_cells, page, flags=re.MULTILINE | re.DOTALL)
    with open(target, "w", encoding="utf-8") as file:
        file.write(page)


if __name__ == "__main__":
    main()
