#!/usr/bin/env python3
"""site.py - the site is built without a warning, leads nowhere dead, and shows no C untried.
SPDX-License-Identifier: MIT

Usage: site.py ROOT [--keep FOLDER] [--self-test]

* docs/site/build.py makes the site; a warning of Sphinx fails it.
* Each page of README.md and docs is there.
* Each link leads to a file of the site, and its anchor to a place there. Links to the network are
  for readers to follow; nothing that a browser loads by itself comes from there.
* Each block of C is one that guides.py or man.py compiles or compares with a header, or is, whole
  or in part, a file of the tree.

Status 77 where sphinx-build or dot is missing.
"""
import argparse
import html.parser
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse

import guides
import pages

LOADED = {"link": "href", "script": "src", "img": "src", "object": "data", "iframe": "src",
          "source": "src", "embed": "src", "use": "href"}
NOT_LOADED = ("prev", "next", "index", "search")  # what a <link> only names
NETWORK = re.compile(r"(?:https?:)?//")
CSS_URL = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")


class Html(html.parser.HTMLParser):
    """The links, anchors and blocks of C of one page."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.links = []    # (line, target)
        self.loaded = []   # (line, target)
        self.anchors = set()
        self.blocks = []   # (line, text)
        self.in_block = None
        self.in_pre = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        line = self.getpos()[0]
        self.anchors |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        if tag == "a" and "href" in attributes:
            self.links.append((line, attributes["href"]))
        elif LOADED.get(tag) in attributes and attributes.get("rel") not in NOT_LOADED:
            self.loaded.append((line, attributes[LOADED[tag]]))
        if tag == "div" and "highlight-c" in attributes.get("class", "").split():
            self.in_block = line
        elif tag == "pre" and self.in_block:
            self.in_pre = True
            self.blocks.append((self.in_block, ""))

    def handle_endtag(self, tag):
        if tag == "pre" and self.in_pre:
            self.in_pre = False
            self.in_block = None

    def handle_data(self, data):
        if self.in_pre:
            line, text = self.blocks[-1]
            self.blocks[-1] = (line, text + data)


class Site:
    def __init__(self, root, folder):
        self.root = root
        self.folder = folder
        self.findings = []
        self.pages = {}  # path in folder -> Html
        self.counts = {"links": 0, "blocks": 0}

    def report(self, path, line, message):
        self.findings.append(f"{path}:{line}: {message}")

    def check(self):
        self.read()
        for path in guides.page_paths(self.root):
            page = path[:-len(".md")] + ".html"
            if page not in self.pages:
                self.report(page, 1, f"{path} has no page")
        known = KnownCode(self.root)
        for path, page in sorted(self.pages.items()):
            for line, target in page.links:
                self.check_link(path, line, target)
            for line, target in page.loaded:
                self.check_loaded(path, line, target)
            for line, text in page.blocks:
                self.counts["blocks"] += 1
                if not known.has(text):
                    self.report(path, line, "nothing compiles this block of C, or compares it")

    def read(self):
        for place, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.relpath(os.path.join(place, name), self.folder)
                if name.endswith((".html", ".css")):
                    with open(os.path.join(place, name), encoding="utf-8") as file:
                        text = file.read()
                    if name.endswith(".html"):
                        self.pages[path] = Html(text)
                    else:
                        self.check_style(path, text)

    def check_style(self, path, text):
        for match in CSS_URL.finditer(text):
            target = match.group(1) or match.group(2)
            if not target.startswith(("data:", "#")):
                self.check_loaded(path, text.count("\n", 0, match.start()) + 1, target)

    def check_link(self, path, line, target):
        parts = urllib.parse.urlsplit(target)
        if parts.scheme or parts.netloc:
            return
        self.counts["links"] += 1
        goal = path
        if parts.path:
            goal = os.path.normpath(os.path.join(os.path.dirname(path),
                                                 urllib.parse.unquote(parts.path)))
        if not os.path.exists(os.path.join(self.folder, goal)):
            self.report(path, line, f"leads to {goal}, which is not there")
        elif parts.fragment and goal in self.pages:
            if urllib.parse.unquote(parts.fragment) not in self.pages[goal].anchors:
                self.report(path, line, f"leads to {goal}#{parts.fragment}, which is not there")

    def check_loaded(self, path, line, target):
        if NETWORK.match(target):
            self.report(path, line, f"loads {target} from the network")
        elif not target.startswith("data:"):
            goal = os.path.join(self.folder, os.path.dirname(path),
                                urllib.parse.unquote(urllib.parse.urlsplit(target).path))
            if not os.path.exists(goal):
                self.report(path, line, f"loads {target}, which is not there")


class KnownCode:
    """The C that something compiles or compares."""

    def __init__(self, root):
        self.blocks = set()
        self.files = []
        for path in guides.page_paths(root):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                self.blocks |= {self.bare(code) for kind, code in guides.FENCED.findall(file.read())
                                if kind == "c"}
        man = os.path.join(root, "docs", "man")
        for page in pages.read_pages(man) if os.path.isdir(man) else ():
            self.blocks |= {self.bare(page.block(name) or "") for name in ("SYNOPSIS", "EXAMPLE")}
        for top in ("examples", "include", "src", "tests"):
            for folder, _, names in os.walk(os.path.join(root, top)):
                for name in names:
                    if name.endswith((".c", ".h")):
                        with open(os.path.join(folder, name), encoding="utf-8") as file:
                            self.files.append(self.bare(file.read()))

    @staticmethod
    def bare(text):
        """Without the ends of lines and the empty lines at the ends, which HTML does not keep."""
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())

    def has(self, text):
        text = self.bare(text)
        return text in self.blocks or any("\n" + text + "\n" in "\n" + file + "\n"
                                          for file in self.files)


def build(root, builder, folder):
    """Status of the build, and what it says."""
    result = subprocess.run([sys.executable, builder, folder, "--root", root], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return result.returncode, result.stdout


def main():
    parser = argparse.ArgumentParser(description="Build the site and check it.")
    parser.add_argument("root", help="the tree whose site to check")
    parser.add_argument("--keep", metavar="FOLDER", help="build there, and leave it")
    parser.add_argument("--self-test", action="store_true",
                        help="prove that each check fires on a page with a mistake")
    arguments = parser.parse_args()
    root = os.path.abspath(arguments.root)
    builder = os.path.join(root, "docs", "site", "build.py")
    if arguments.self_test:
        import site_mistakes
        return site_mistakes.self_test(builder, build, Site)
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or os.path.join(scratch, "site")
        status, said = build(root, builder, folder)
        if status:
            print(said, end="")
            return status
        site = Site(root, os.path.join(folder, "html"))
        site.check()
    for finding in site.findings:
        print(finding)
    print(f"site: {len(site.pages)} pages, {site.counts['links']} links, "
          f"{site.counts['blocks']} blocks of C, {len(site.findings)} findings")
    return 1 if site.findings or not all(site.counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
