#!/usr/bin/env python3
"""build.py - makes the site of README.md, docs, the manual pages, the headers and the examples.
SPDX-License-Identifier: MIT

Usage: build.py OUT [--root ROOT]

Needs sphinx-build with MyST and furo, and dot; a warning of theirs is an error. OUT/html/index.html
is the first page; nothing of it comes from the network.

The pages stay what they are: they are laid out anew in OUT/pages, where

* a link to a file of the tree that is no page leads to a page which shows that file, one to a
  folder to its index;
* a quote of an example has a line that leads to the example;
* a link that stands alone in its line and leads to a .dot is the drawing, in the place of a block
  of plain text right above it;
* `tests/unit/NAME.c:name_of_a_test` is the sentence that the name is, and the file;
* a function in backquotes, or `man NAME`, is a link to its manual page, but not in headings;
* a link whose text is the name of a page has the title that the first page gives it;
* a manual page has its name as a title, and its references are links.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

SITE = os.path.dirname(os.path.abspath(__file__))
FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PIECES = re.compile(r"(^```[^\n]*\n.*?^```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
CALL = re.compile(r"`(?:man )?(cconc[\w-]*)(?:\([^`]*\))?`")
ENTRY = re.compile(r"^(.+) <(\S+)>$", re.MULTILINE)
DRAWING = re.compile(r"(?:^```\n(?:(?!```).*\n)*```\n\n)?^\[([^\]]*)\]\((\S+\.dot)\)$", re.MULTILINE)
TEST = re.compile(r"`tests/(\w+/\w+\.c):(\w+)`")
ELSEWHERE = re.compile(r"[a-z]+:")
MAN_TITLE = re.compile(r"\A% \S+ libcconc \| [^\n]*\n%\n% [^\n]*\n\n")
MAN_NAME = re.compile(r"\*\*([a-z][a-z_-]*)\*\*\((\d)\)")
FIRST_PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<title>libcconc</title>
<meta http-equiv="refresh" content="0; url=docs/site/index.html">
<a href="docs/site/index.html">libcconc</a>
"""
SHARED = "/usr/share/javascript"
SERVED = re.compile(r"@import url\(/javascript/([^)]+)\)")
LANGUAGES = {".c": "c", ".h": "c", ".py": "python", ".sh": "sh", ".build": "meson"}


def page_paths(root):
    """The pages: those beside README.md, and all of docs."""
    found = [name for name in os.listdir(root) if name.endswith(".md")]
    for folder, _, names in os.walk(os.path.join(root, "docs")):
        found += [os.path.relpath(os.path.join(folder, name), root)
                  for name in names if name.endswith(".md")]
    return sorted(found)


def read(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return file.read()


def title_of(text):
    """The words after the first # of a page."""
    return re.search(r"^# +(.+)$", text, re.MULTILINE).group(1)


class Layout:
    """The pages as Sphinx gets them."""

    def __init__(self, root, target):
        self.root = root
        self.target = target
        self.pages = set(page_paths(root))
        self.shown = set()  # files and folders that links lead to, and that are no pages
        self.listed = set()  # of these, those that an index lists
        self.findings = []
        self.titles = self.titles_of_pages()
        self.man_names = self.names_of_man_pages()

    def titles_of_pages(self):
        """Page -> title, as the first page has them."""
        first = "docs/site/index.md"
        titles = {os.path.normpath(os.path.join(os.path.dirname(first), path + ".md")): title
                  for title, path in ENTRY.findall(read(self.root, first))}
        return {path: ("From " if "/from-" in path else "") + title
                for path, title in titles.items()}

    def names_of_man_pages(self):
        """Function -> file of its manual page."""
        names = {}
        for path in self.pages:
            if os.path.dirname(path) == "docs/man":
                listed = read(self.root, path).partition("# NAME\n")[2].partition(" - ")[0]
                for name in " ".join(listed.split()).split(","):
                    names[name.strip()] = path
        return names

    def write(self, path, text):
        path = os.path.join(self.target, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def copy(self, path):
        os.makedirs(os.path.dirname(os.path.join(self.target, path)), exist_ok=True)
        shutil.copyfile(os.path.join(self.root, path), os.path.join(self.target, path))

    def lay_out(self):
        for path in self.pages:
            self.write(path, self.page(path, read(self.root, path)))
        self.write_man_index()
        self.write_index("docs/design", "Decision records", self.records())
        self.write_index("include/cconc", "Headers", self.files("include/cconc", ".h"))
        self.write_index("examples", "Examples", self.files("examples", ".c"))
        self.write_shown()

    def page(self, path, text):
        """The text of a page as MyST is to have it."""
        if os.path.dirname(path) == "docs/man":
            text = self.man_page(path, text)
        elif path == "README.md":
            text = re.sub(r"^# .*", f"# {self.titles.get(path, 'Read me')}", text)
        text = DRAWING.sub(lambda match: self.drawing(path, *match.groups()), text)
        pieces = PIECES.split(text)
        return "".join(self.piece(path, piece, before)
                       for piece, before in zip(pieces, ["", *pieces]))

    def piece(self, path, piece, before):
        """A block, a word of code, or what is between them; before is the piece before it."""
        if piece.startswith("```"):
            return self.block(path, *FENCED.fullmatch(piece).groups())
        if piece.startswith("`"):
            name = CALL.fullmatch(piece)
            page = self.man_names.get(name.group(1)) if name else None
            is_free = not before.endswith("[") and not before.rpartition("\n")[2].startswith("#")
            if page and is_free:
                return f"[{piece}]({os.path.relpath(page, os.path.dirname(path) or '.')})"
            return TEST.sub(lambda match: f"*{match.group(2).replace('_', ' ')}* "
                                          f"({match.group(1)})", piece)
        return LINK.sub(lambda match: self.link_or_picture(path, match), piece)

    def link_or_picture(self, path, match):
        mark, words, target = match.groups()
        goal = os.path.normpath(os.path.join(os.path.dirname(path), target.partition("#")[0]))
        if not mark:
            if words in (goal, os.path.basename(goal)):
                words = self.titles.get(goal, words)
            return f"[{words}]({self.link(path, target)})"
        if os.path.exists(os.path.join(self.root, goal)):
            self.copy(goal)
        return match.group()  # a drawing is there already

    def block(self, path, kind, code):
        language, _, quoted = kind.partition(" ")
        if language == "c" and quoted:
            link = self.link(path, os.path.relpath(quoted, os.path.dirname(path) or "."))
            return (f"````{{code-block}} c\n:caption: "
                    f"'[{quoted}]({link})'\n\n{code}````")
        return f"```{language or 'text'}\n{code}```"

    def link(self, path, target):
        """Where a link of a page leads to in the layout."""
        name, hash_sign, anchor = target.partition("#")
        if ELSEWHERE.match(target) or not name:
            return target
        folder = os.path.dirname(path)
        goal = os.path.normpath(os.path.join(folder, name))
        if not os.path.exists(os.path.join(self.root, goal)):
            self.findings.append(f"{path}: there is no {goal}")
        elif goal not in self.pages:
            self.shown.add(goal)
            is_folder = os.path.isdir(os.path.join(self.root, goal))
            name = os.path.relpath(goal + ("/index.md" if is_folder else ".md"), folder or ".")
        return name + hash_sign + anchor

    def drawing(self, path, caption, target):
        """A drawing, made by dot."""
        source = os.path.normpath(os.path.join(os.path.dirname(path), target))
        picture = os.path.join(self.target, source[:-len(".dot")] + ".svg")
        os.makedirs(os.path.dirname(picture), exist_ok=True)
        subprocess.run(["dot", "-Tsvg", "-o", picture, os.path.join(self.root, source)], check=True)
        return f"![{caption}]({target[:-len('.dot')]}.svg)"

    def man_page(self, path, text):
        name, number = re.fullmatch(r"(.+)\.(\d)\.md", os.path.basename(path)).groups()
        text = MAN_TITLE.sub("", text)
        pieces = PIECES.split(text)
        for index, piece in enumerate(pieces):
            if not piece.startswith("`"):
                piece = re.sub(r"^#", "##", piece, flags=re.MULTILINE)
                pieces[index] = MAN_NAME.sub(self.man_reference, piece)
        return f"# {name}({number})\n\n" + "".join(pieces)

    def man_reference(self, match):
        page = self.man_names.get(match.group(1))
        return f"[{match.group()}]({os.path.basename(page)})" if page else match.group()

    def write_man_index(self):
        """The manual pages: what each is for, and a link for each function."""
        rows = {"7": [], "3": []}
        for path in sorted(self.pages, key=lambda path: (path != "docs/man/cconc.7.md", path)):
            if os.path.dirname(path) == "docs/man":
                name = read(self.root, path).partition("# NAME\n")[2].partition("\n# ")[0]
                names, _, purpose = " ".join(name.split()).partition(" - ")
                page = os.path.basename(path)
                links = " ".join(f"[`{name.strip()}`]({page})" for name in names.split(","))
                rows[page[-len("N.md")]].append((page[:-len(".md")], links, purpose))
        text = "# Manual pages\n\nAlso as `man cconc`, where the library is installed.\n"
        for number, title in (("7", "Overview"), ("3", "Functions")):
            text += f"\n## {title}\n\n| what for | page |\n|---|---|\n"
            text += "".join(f"| {purpose} | {links} |\n" for _, links, purpose in rows[number])
        entries = [page for number in "73" for page, _, _ in rows[number]]
        if entries:
            self.write("docs/man/index.md", text + toctree(entries))

    def records(self):
        return [(os.path.basename(path), title_of(read(self.root, path)))
                for path in sorted(self.pages) if os.path.dirname(path) == "docs/design"]

    def files(self, folder, ending):
        """File of a folder and those below it -> what its first line says."""
        rows = []
        for place, _, names in sorted(os.walk(os.path.join(self.root, folder))):
            for name in sorted(names):
                if name.endswith(ending):
                    path = os.path.relpath(os.path.join(place, name), self.root)
                    self.shown.add(path)
                    self.listed.add(path)
                    purpose = read(self.root, path).splitlines()[0].partition(" - ")[2]
                    rows.append((os.path.relpath(path, folder) + ".md", purpose))
        return rows

    def write_index(self, folder, title, rows):
        if not rows:
            return
        text = f"# {title}\n\n| | |\n|---|---|\n"
        for page, purpose in rows:
            text += f"| [{page[:-len('.md')]}]({page}) | {purpose} |\n"
        self.write(folder + "/index.md", text + toctree(page[:-len(".md")] for page, _ in rows))

    def write_shown(self):
        """Pages for the files and folders that links lead to."""
        for path in sorted(self.shown):
            if os.path.isdir(os.path.join(self.root, path)):
                if not os.path.exists(os.path.join(self.target, path, "index.md")):
                    self.write_folder(path)
            else:
                self.write_file(path)

    def write_folder(self, path):
        text = f"---\norphan: true\n---\n\n# {path}\n\n"
        for name in sorted(os.listdir(os.path.join(self.root, path))):
            inside = os.path.join(path, name)
            if os.path.isfile(os.path.join(self.root, inside)):
                if inside in self.pages:
                    text += f"* [{name}]({name})\n"
                else:
                    self.write_file(inside)
                    text += f"* [{name}]({name}.md)\n"
        self.write(path + "/index.md", text)

    def write_file(self, path):
        language = LANGUAGES.get(os.path.splitext(path)[1], "text")
        head = "" if path in self.listed else "---\norphan: true\n---\n\n"
        self.write(path + ".md", f"{head}# {os.path.basename(path)}\n\n"
                                 f"`{path}`\n\n````{language}\n{read(self.root, path)}````\n")


def bring_in_styles(html):
    """Debian's themes load styles from where its web servers have them; bring those into the site."""
    styles = os.path.join(html, "_static", "styles")
    for name in os.listdir(styles) if os.path.isdir(styles) else ():
        text = read(styles, name)
        for path in SERVED.findall(text):
            if os.path.exists(os.path.join(SHARED, path)):
                shutil.copyfile(os.path.join(SHARED, path),
                                os.path.join(styles, os.path.basename(path)))
                text = text.replace("/javascript/" + path, os.path.basename(path))
        with open(os.path.join(styles, name), "w", encoding="utf-8") as file:
            file.write(text)


def toctree(entries):
    lines = "\n".join(entries)
    return f"\n```{{toctree}}\n:hidden:\n\n{lines}\n```\n"


def main():
    parser = argparse.ArgumentParser(description="Make the site.")
    parser.add_argument("out", help="the folder to make, which is replaced")
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(SITE)),
                        help="the tree whose site to make, default: this one")
    arguments = parser.parse_args()
    missing = [name for name in ("sphinx-build", "dot") if not shutil.which(name)]
    if missing:
        print(f"SKIPPED: {' and '.join(missing)} not installed")
        return 77
    out = os.path.abspath(arguments.out)
    root = os.path.abspath(arguments.root)
    shutil.rmtree(out, ignore_errors=True)
    pages = os.path.join(out, "pages")
    html = os.path.join(out, "html")
    layout = Layout(root, pages)
    layout.lay_out()
    for finding in layout.findings:
        print(finding)
    for name in ("conf.py", "site.css"):
        shutil.copyfile(os.path.join(SITE, name), os.path.join(pages, "docs", "site", name))
    version = subprocess.run([sys.executable, os.path.join(root, "src/tools/version.py"),
                              os.path.join(root, "include/cconc/version.h")],
                             stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    result = subprocess.run(["sphinx-build", "-q", "-W", "--keep-going", "-b", "html",
                             "-c", os.path.join(pages, "docs", "site"),
                             "-d", os.path.join(out, "read"), "-j", "2", pages, html],
                            env={**os.environ, "CCONC_VERSION": version}, check=False)
    bring_in_styles(html)
    if result.returncode == 0 and not layout.findings:
        with open(os.path.join(html, "index.html"), "w", encoding="utf-8") as file:
            file.write(FIRST_PAGE)
    return result.returncode or int(bool(layout.findings))


if __name__ == "__main__":
    sys.exit(main())
