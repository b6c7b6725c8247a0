#!/usr/bin/env python3
"""man.py - the manual pages of docs/man say what the headers and the library say.
SPDX-License-Identifier: MIT

Usage: man.py ROOT [--library FILE] [--self-test]

* Each symbol of src/libcconc.map, and each public macro with arguments, is in the NAME of exactly
  one page of section 3; nothing else is.
* SYNOPSIS includes the header, and each declaration in it is one of the header's, token by token,
  comments included; the functions are those of NAME, in that order. Each public type and constant
  is in a SYNOPSIS.
* ERRORS has the codes that the contracts ("Returns:") of the page's functions name, as tests/grid
  reads them, and ENOTRECOVERABLE where one returns a code and may block, or where
  tests/unit/process_fork.c shows that it needs a thread.
* ATTRIBUTES has a row for each function; what the contract says of memory, and the parameters of
  contexts, agree with it. That "no" is true is tested by tests/grid and tests/model.
* EXAMPLE is a program that uses a function of the page. With --library it is compiled without a
  warning, linked, and run; its status must be 0.
* Pages that a page names exist. VERSIONS names versions of CHANGELOG.md.
* mandoc has nothing to say of the page that pandoc makes, where both are installed.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "grid"))
from generate import COMMENT, DIRECTIVE, codes_of, parse_header
from pages import COLUMNS, read_pages

SECTIONS = {
    "3": ["NAME", "SYNOPSIS", "DESCRIPTION", "RETURN VALUE", "ERRORS", "ATTRIBUTES", "EXAMPLE",
          "SEE ALSO", "VERSIONS"],
    "7": ["NAME", "DESCRIPTION", "SEE ALSO", "VERSIONS"],
}
WORDS = {column: {"yes", "no"} for column in COLUMNS}
WORDS["MT-safe"] |= {"alone", "owner"}
# What base.h and version.h define for the headers themselves.
UNDOCUMENTED = {"CCONC_API", "CCONC_BEGIN_DECLS", "CCONC_END_DECLS", "CCONC_COLD",
                "CCONC_EXPORTED", "CCONC_UNUSED", "CCONC_NODISCARD", "CCONC_PRINTF",
                "CCONC_HAS_ATOMIC_BUILTINS", "CCONC_IS_MISALIGNED", "CCONC_POINTER_CAST"}
ATTRIBUTE = re.compile(r"\bCCONC_(?:API|NODISCARD)\b|\bCCONC_PRINTF\([^)]*\)")
DECLARATION = re.compile(
    r"^(?:#define (?P<macro>CCONC_\w+)(?P<arguments>\([^)]*\))?(?:\\\n|[^\n])*"
    r"|typedef (?:struct|union) \w+ \{.*?^\} (?P<struct>\w+);"
    r"|struct (?P<tag>\w+) \{.*?^\};"
    r"|typedef [^;{]*?(?:\(\*(?P<pointer>\w+)\)[^;]*|(?P<plain>\w+));"
    r"|(?:CCONC_API )?[\w ]+[ *](?P<function>cconc_\w+)\([^;{]*\)\s*(?:CCONC_PRINTF[^;]*)?;)",
    re.MULTILINE | re.DOTALL)
REFERENCE = re.compile(r"\*\*(cconc[\w-]*|CCONC_\w+)\*\*\((\d)\)")
COMPILE = ["cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
RUN_SECONDS = 30


def normal(text):
    """Text as tokens, so that only layout may differ."""
    return " ".join(re.findall(r"\w+|[^\w\s]", ATTRIBUTE.sub("", text).replace("\\\n", "")))


def declarations(text):
    """(name, normal text) of each public declaration, in order; of a macro with arguments the
    text is its head."""
    for match in DECLARATION.finditer(text):
        groups = match.groupdict()
        arguments = groups.pop("arguments")
        name = next(group for group in groups.values() if group)
        shown = f"#define {name}{arguments}" if arguments else match.group()
        yield name, normal(shown)


class Headers:
    """What the public headers declare, and what they say of it."""

    def __init__(self, root):
        folder = os.path.join(root, "include", "cconc")
        self.functions = []
        self.declared = {}
        self.header_of = {}
        self.call_macros = set()
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            self.functions += parse_header(path)[0]
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for declared, shown in declarations(text):
                self.declared.setdefault(declared, set()).add(shown)
                self.header_of.setdefault(declared, name)
            self.call_macros |= set(re.findall(r"^#define (CCONC_\w+)\(", text, re.MULTILINE))
        self.call_macros -= UNDOCUMENTED
        self.by_name = {function.name: function for function in self.functions}

    def codes(self, name):
        """The errno names of the contract of a function."""
        function = self.by_name.get(name)
        if function is None or not function.is_status():
            return set()
        return {code for code in codes_of(function, self.functions) if re.match(r"E[A-Z]", code)}


class Checker:
    def __init__(self, root, folder=None):
        self.root = root
        self.folder = folder or os.path.join(root, "docs", "man")
        self.headers = Headers(root)
        self.pages = read_pages(self.folder)
        self.findings = []
        with open(os.path.join(root, "src", "libcconc.map"), encoding="utf-8") as file:
            self.exported = set(re.findall(r"^\s+(cconc_\w+);", file.read(), re.MULTILINE))
        with open(os.path.join(root, "tests", "unit", "process_fork.c"), encoding="utf-8") as file:
            self.lost = set(re.findall(r"\bLOST\((cconc_\w+)\(", file.read()))
        with open(os.path.join(root, "CHANGELOG.md"), encoding="utf-8") as file:
            self.versions = set(re.findall(r"^## (\d\S*)", file.read(), re.MULTILINE))

    def report(self, page, message):
        path = os.path.relpath(page.path, self.folder) if page else "docs/man"
        self.findings.append(f"{path}: {message}")

    def check(self):
        for page in self.pages:
            self.check_form(page)
            self.check_references(page)
            if page.number == "3":
                self.check_synopsis(page)
                self.check_errors(page)
                self.check_attributes(page)
                self.check_example(page)
        self.check_all_named()
        self.check_all_declared()

    def check_form(self, page):
        title = page.title
        if not title or (title.group(1), title.group(2)) != (page.name.upper(), page.number):
            self.report(page, "does not begin with its title and date")
        wanted = SECTIONS.get(page.number, [])
        found = page.order if page.number == "3" else [s for s in page.order if s in wanted]
        if found != wanted or page.order[-2:] != wanted[-2:]:
            self.report(page, f"has the sections {page.order}, not {wanted}")
        for section, text in page.sections.items():
            if not text:
                self.report(page, f"{section} is empty")
        if page.name not in page.names() or " - " not in " ".join(
                page.sections.get("NAME", "").split()):
            self.report(page, "NAME does not name the page and say what it is")
        versions = re.findall(r"libcconc (\d+\.\d+\.\d+)", page.sections.get("VERSIONS", ""))
        if not versions or not set(versions) <= self.versions:
            self.report(page, "VERSIONS names no version of CHANGELOG.md")

    def check_references(self, page):
        known = {(p.name, p.number) for p in self.pages}
        known |= {(name, p.number) for p in self.pages for name in p.names()}
        for name, number in REFERENCE.findall(page.text):
            if (name, number) not in known:
                self.report(page, f"names {name}({number}), which does not exist")
        for name in re.findall(r"\b(cconc_\w+)\**\(\)", page.text):
            if name not in self.exported:
                self.report(page, f"names {name}(), which does not exist")
        text = page.sections.get("SEE ALSO", "")
        rest = re.sub(r"\*\*[\w-]+\*\*\(\d\)", "", text).replace(",", "").strip()
        if rest or not REFERENCE.search(text):
            self.report(page, "SEE ALSO is no list of pages")

    def check_synopsis(self, page):
        text = page.block("SYNOPSIS")
        if text is None:
            self.report(page, "SYNOPSIS has not exactly one block of C")
            return
        headers = {self.headers.header_of.get(name) for name in page.names()}
        includes = re.findall(r"^#include <cconc/(\S+)>$", text, re.MULTILINE)
        if {*includes} != headers or len(includes) != 1:
            self.report(page, f"SYNOPSIS includes {includes}, NAME is of {headers}")
        rest = DECLARATION.sub("", re.sub(r"^#include.*$", "", text, flags=re.MULTILINE)).strip()
        if rest:
            self.report(page, f"SYNOPSIS has what is no declaration: {rest.splitlines()[0]}")
        for name, shown in declarations(text):
            if shown not in self.headers.declared.get(name, ()):
                self.report(page, f"SYNOPSIS declares {name} otherwise than its header")
        functions = [name for name, _ in declarations(text)
                     if name in self.exported | self.headers.call_macros]
        if functions != page.names():
            self.report(page, "the functions of SYNOPSIS are not those of NAME, in this order")

    def check_errors(self, page):
        text = page.sections.get("ERRORS", "")
        terms = re.findall(r"^(\*\*E.*)\n:   \S", text, re.MULTILINE)
        found = {code for term in terms for code in re.findall(r"\*\*(E[A-Z]+)\*\*", term)}
        wanted = set()
        attributes = page.attributes()
        for name in page.names():
            wanted |= self.headers.codes(name)
            blocks = attributes.get(name, {}).get("block") == "yes"
            if name in self.lost or (blocks and self.headers.by_name[name].is_status()):
                wanted.add("ENOTRECOVERABLE")
        for code in sorted(wanted - found):
            self.report(page, f"ERRORS lacks {code}")
        for code in sorted(found - wanted):
            self.report(page, f"ERRORS has {code}, which no contract names")
        if not wanted and text != "None.":
            self.report(page, "ERRORS has no code and is not 'None.'")

    def check_attributes(self, page):
        rows = page.attributes()
        functions = [name for name in page.names() if name in self.exported]
        if sorted(rows) != sorted(functions):
            self.report(page, "ATTRIBUTES has not one row for each function")
            return
        for name, row in rows.items():
            for column, word in row.items():
                if word not in WORDS[column]:
                    self.report(page, f"ATTRIBUTES: {name}: {column} cannot be '{word}'")
            function = self.headers.by_name[name]
            in_storage = self.headers.header_of.get(name) == "static.h" # a mutex may be lacking
            if "ENOMEM" in self.headers.codes(name) and row["alloc"] != "yes" and not in_storage:
                self.report(page, f"ATTRIBUTES: {name} has ENOMEM and does not allocate")
            takes = ("cconc_ctx *", "ctx") in function.parameters or name == "cconc_select"
            waits = row["block"] == "yes" and takes
            if (row["ctx"] == "yes") != waits:
                self.report(page, f"ATTRIBUTES: {name} is context-aware, or not, against its "
                                  "parameters")
            if "_try_" in name and row["block"] != "no":
                self.report(page, f"ATTRIBUTES: {name} blocks")

    def check_example(self, page):
        text = page.block("EXAMPLE")
        if text is None or not re.search(r"\bmain\(", text):
            self.report(page, "EXAMPLE has not exactly one program")
        elif not any(re.search(rf"\b{name}\(", text) for name in page.names()):
            self.report(page, "EXAMPLE uses no function of the page")

    def check_all_named(self):
        named = {}
        for page in self.pages:
            for name in page.names() if page.number == "3" else ():
                named.setdefault(name, []).append(page)
        wanted = self.exported | self.headers.call_macros
        for name in sorted(wanted - set(named)):
            self.report(None, f"no page has {name} in its NAME")
        for name, pages in sorted(named.items()):
            if name not in wanted:
                self.report(pages[0], f"NAME has {name}, which is nothing public")
            if len(pages) > 1:
                self.report(pages[0], f"NAME has {name}, as that of {pages[1].file_name} has")

    def check_all_declared(self):
        shown = {name for page in self.pages
                 for name, _ in declarations(page.block("SYNOPSIS") or "")}
        public = {name for name in self.headers.declared if not name.endswith("_H")}
        opaque = {name for name, texts in self.headers.declared.items()
                  if texts == {f"typedef struct {name} {name} ;"} and
                  self.headers.header_of[name] == "base.h"}
        for name in sorted(public - shown - UNDOCUMENTED - opaque):
            self.report(None, f"no SYNOPSIS has {name}")

    def run_examples(self, library):
        with tempfile.TemporaryDirectory() as scratch, \
                concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
            pages = [page for page in self.pages if page.block("EXAMPLE")]
            jobs = [workers.submit(self.run_example, page, library, scratch) for page in pages]
            for page, job in zip(pages, jobs):
                if job.result():
                    self.report(page, f"EXAMPLE {job.result()}")
        return len(pages)

    def run_example(self, page, library, scratch):
        """None, or what is wrong with the program."""
        program = os.path.join(scratch, page.name)
        with open(program + ".c", "w", encoding="utf-8") as file:
            file.write(page.block("EXAMPLE"))
        include = "-I" + os.path.join(self.root, "include")
        built = subprocess.run([*COMPILE, include, program + ".c", "-o", program, library,
                                "-Wl,-rpath," + os.path.dirname(os.path.abspath(library))],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if built.returncode != 0:
            return "does not compile:\n" + built.stdout
        try:
            status = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    timeout=RUN_SECONDS).returncode
        except subprocess.TimeoutExpired:
            return f"does not end in {RUN_SECONDS} seconds"
        return f"ends with status {status}" if status else None

    def lint(self):
        """Let mandoc look at each page; False if it or pandoc is missing."""
        pandoc = shutil.which("pandoc")
        if not pandoc or not shutil.which("mandoc"):
            return False
        convert = os.path.join(self.root, "docs", "man", "convert.py")
        with tempfile.TemporaryDirectory() as scratch:
            for page in self.pages:
                target = os.path.join(scratch, page.file_name[:-len(".md")])
                subprocess.run([sys.executable, convert, pandoc, "0.0.0", page.path, target],
                               check=True)
                said = subprocess.run(["mandoc", "-T", "lint", target], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True).stdout
                if said:
                    self.report(page, "mandoc says:\n" + said.replace(scratch + "/", ""))
        return True


def main():
    parser = argparse.ArgumentParser(description="Check the manual pages.")
    parser.add_argument("root", help="the tree whose pages to check")
    parser.add_argument("--library", metavar="FILE", help="the shared library, for the examples")
    parser.add_argument("--self-test", action="store_true",
                        help="prove that each check fires on a page with a fault")
    arguments = parser.parse_args()
    root = os.path.abspath(arguments.root)
    if arguments.self_test:
        import mistakes
        return mistakes.self_test(root, Checker, arguments.library)
    checker = Checker(root)
    checker.check()
    programs = checker.run_examples(arguments.library) if arguments.library else 0
    linted = checker.lint()
    for finding in checker.findings:
        print(finding)
    if not linted:
        print("SKIPPED: what mandoc says; it or pandoc is not installed")
    print(f"man: {len(checker.pages)} pages, {programs} programs, {len(checker.findings)} findings")
    return 1 if checker.findings or not checker.pages else 0


if __name__ == "__main__":
    sys.exit(main())
