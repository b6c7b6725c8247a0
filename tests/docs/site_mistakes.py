"""site_mistakes.py - proves that each check of site.py fires, on small sites with one mistake.
SPDX-License-Identifier: MIT
"""
import os
import shutil
import tempfile

PAGES = {
    "README.md": "# Read me\n\nTo [a part](docs/page.md#a-part).\n",
    "docs/page.md": "# Page\n\n## A part\n\nOf [this](../README.md).\n\n"
                    "```c\nint sound(void);\n```\n\n[Drawn](drawing.dot)\n",
    "docs/drawing.dot": "digraph drawing { one -> two }\n",
    "docs/site/index.md": "# Site\n\n```{toctree}\n"
                          "../../README\n../page\n../../include/cconc/index\n```\n",
}

# File, what is added to it, and what must be said: by the build or by the checks.
MISTAKES = [
    ("docs/page.md", "", None),
    ("docs/page.md", "[gone](gone.md)\n", "docs/page.md: there is no docs/gone.md"),
    ("docs/page.md", "[gone](../README.md#gone)\n", "reference target not found"),
    ("docs/page.md", "[gone](#gone)\n", "reference target not found"),
    ("docs/page.md", "```{gone}\n```\n", "Unknown directive type"),
    ("docs/page.md", "![gone](gone.svg)\n", "image file not readable"),
    ("docs/page.md", "#### Too deep\n", "Non-consecutive header level"),
    ("docs/alone.md", "# Alone\n", "isn't included in any toctree"),
    ("docs/drawing.dot", "}", "syntax error"),
    ("docs/page.md", "<a href='gone.html'>gone</a>\n", "leads to docs/gone.html"),
    ("docs/page.md", "<a href='../README.html#gone'>gone</a>\n", "leads to README.html#gone"),
    ("docs/page.md", "<img src='https://example.org/a.png'>\n", "from the network"),
    ("docs/page.md", "<script src='gone.js'></script>\n", "loads gone.js, which is not there"),
    ("docs/page.md", "~~~c\nint untried(void)\n~~~\n", "nothing compiles this block"),
]


def self_test(builder, build, site_class):
    """Make each mistake alone. Prints those that were not seen."""
    missed = 0
    root = os.path.dirname(os.path.dirname(os.path.dirname(builder)))
    for path, added, wanted in MISTAKES:
        with tempfile.TemporaryDirectory() as scratch:
            write_tree(root, scratch)
            with open(os.path.join(scratch, path), "a", encoding="utf-8") as file:
                file.write("\n" + added)
            folder = os.path.join(scratch, "out")
            status, said = build(scratch, builder, folder)
            if status == 77:
                print(said, end="")
                return 77
            found = [said] if status else []
            if not status:
                site = site_class(scratch, os.path.join(folder, "html"))
                site.check()
                found = site.findings
        if bool(found) != bool(wanted) or wanted and not any(wanted in text for text in found):
            print(f"{path}: with '{added.strip()}', '{wanted}' is not said: {found}")
            missed += 1
    print(f"site: {len(MISTAKES)} mistakes, {missed} missed")
    return 1 if missed else 0


def write_tree(root, scratch):
    for path in ("src/tools/version.py", "include/cconc/version.h"):
        os.makedirs(os.path.dirname(os.path.join(scratch, path)))
        shutil.copyfile(os.path.join(root, path), os.path.join(scratch, path))
    for path, text in PAGES.items():
        os.makedirs(os.path.dirname(os.path.join(scratch, path)) or scratch, exist_ok=True)
        with open(os.path.join(scratch, path), "w", encoding="utf-8") as file:
            file.write(text)
