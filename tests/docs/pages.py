"""pages.py - reads the manual pages of docs/man.
SPDX-License-Identifier: MIT

man.py checks them. tests/grid and tests/model hold the library to what their ATTRIBUTES say.
"""
import os
import re

TITLE = re.compile(r"\A% (\S+)\((\d)\) libcconc \| [A-Z][A-Za-z ]+\n%\n% \d{4}-\d\d-\d\d\n\n")
SECTION = re.compile(r"^# (.+)\n", re.MULTILINE)
BLOCK = re.compile(r"^```c\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COLUMNS = ["MT-safe", "AS-safe", "block", "alloc", "ctx"]


class Page:
    """One page: its file, name, section of the manual, and sections of text in order."""

    def __init__(self, folder, file_name):
        self.path = os.path.join(folder, file_name)
        self.file_name = file_name
        with open(self.path, encoding="utf-8") as file:
            self.text = file.read()
        self.name, self.number = re.fullmatch(r"(.+)\.(\d)\.md", file_name).groups()
        self.title = TITLE.match(self.text)
        parts = SECTION.split(self.text)[1:]
        self.order = parts[0::2]
        self.sections = {name: text.strip() for name, text in zip(self.order, parts[1::2])}

    def names(self):
        """What NAME lists, before its dash."""
        listed = " ".join(self.sections.get("NAME", "").split()).partition(" - ")[0]
        return [name.strip() for name in listed.split(",")]

    def block(self, section):
        """The C text of a section; None if there is not exactly one."""
        blocks = BLOCK.findall(self.sections.get(section, ""))
        return blocks[0] if len(blocks) == 1 else None

    def attributes(self):
        """Function -> column -> word, of the table of ATTRIBUTES."""
        rows = [[cell.strip() for cell in line.strip("|").split("|")]
                for line in self.sections.get("ATTRIBUTES", "").splitlines()
                if line.startswith("|") and not line.startswith("|--")]
        if not rows or rows[0] != ["function", *COLUMNS]:
            return {}
        return {row[0]: dict(zip(COLUMNS, row[1:])) for row in rows[1:]}


def read_pages(folder):
    return [Page(folder, name) for name in sorted(os.listdir(folder))
            if re.fullmatch(r".+\.\d\.md", name)]


def functions_that(folder, column, word):
    """The functions that have this word in a column of ATTRIBUTES."""
    return {name for page in read_pages(folder)
            for name, row in page.attributes().items() if row.get(column) == word}
