"""rules_orders.py - L3 sc only in pairs, L4 edges pair up: order sites, tags and the edge table.
SPDX-License-Identifier: MIT
"""
import re

ORDER = r"(?:rlx|acqrel|acq|rel|sc)"
SITE = re.compile(rf"\batom_(?:load|store|swap|add|sub|or|and|xor|cas_weak|cas)"
                  rf"_({ORDER})(?:_({ORDER}))?\b")
TAG_LIST = re.compile(r"\[((?:[a-z][a-z0-9_]*\.\d+)(?:, ?[a-z][a-z0-9_]*\.\d+)*)\]")
CLAIMED_ORDER = re.compile(rf"\[[a-z][\w., ]*\] ({ORDER})\b")
KEY_TAG = re.compile(r"^\(e ([a-z][a-z0-9_]*\.\d+)\)")
ROW = re.compile(r"^\s*(?:Ordering\s+)?(?:edge\s+)?([a-z][a-z0-9_]*\.\d+)\s+(\S.*)$")
RELAXED_REASON = re.compile(r"^rlx\b|\brlx:", re.MULTILINE)
HEAD_WORD = re.compile(r"^[A-Z][a-z]+\b")
ATOMIC_HEADER = "src/plat/atomic.h"
SENDS = {"rel", "acqrel", "sc"}
TAKES = {"acq", "acqrel", "sc"}


class Row:
    """One row of the edge table, with the orders of the sites that carry its tag."""

    def __init__(self, source, line, text):
        self.source = source
        self.line = line
        self.text = text
        self.sites = []


def check_l4(tree):
    rows = collect_rows(tree)
    sc_sites = []
    for source in tree.c_files("src"):
        if source.path != ATOMIC_HEADER:
            check_sites(tree, source, rows, sc_sites)
        check_tags(tree, source, rows)
    for tag, row in rows.items():
        check_row(tree, tag, row)
    check_sc(tree, rows, sc_sites)


def collect_rows(tree):
    rows = {}
    for source in tree.c_files("src", "include"):
        for line, text in ordering_lines(source):
            match = ROW.match(text)
            if not match:
                continue
            tag = match.group(1)
            if tag in rows:
                first = rows[tag]
                tree.report("L4", source, line, f"edge {tag} has a row in {first.source.path} too")
            else:
                rows[tag] = Row(source, line, row_text(source, line))
    return rows


def ordering_lines(source):
    """(line, text) of each line of the Ordering paragraph of the head comment."""
    inside = False
    for offset, text in enumerate(source.head.lines if source.head else []):
        if HEAD_WORD.match(text):
            inside = text.startswith("Ordering")
        if inside:
            yield source.head.first + offset, text


def row_text(source, line):
    """A row with the lines that continue it."""
    parts = []
    for number, text in ordering_lines(source):
        if number > line and (ROW.match(text) or not text.strip()):
            break
        if number >= line:
            parts.append(text)
    return " ".join(parts)


def tags_in(text):
    return {tag.strip() for group in TAG_LIST.findall(text) for tag in group.split(",")}


def check_sites(tree, source, rows, sc_sites):
    """Each site has its tag or its reason; each tagged site is entered in its row."""
    for match in SITE.finditer(source.code):
        line = source.line_of(match.start())
        orders = {order for order in match.groups() if order}
        comments = [comment.text for comment in source.comments_at(line)]
        text = "\n".join(comments)
        tags = tags_in(text)
        if orders == {"rlx"}:
            if not RELAXED_REASON.search(text):
                tree.report("L4", source, line, f"{match.group()} without its reason (rlx: ...)")
            continue
        if not tags:
            tree.report("L4", source, line, f"{match.group()} without the tag of an edge")
        check_claim(tree, source, line, orders, text)
        for tag in tags & rows.keys():
            rows[tag].sites.append(orders)
        if "sc" in orders:
            sc_sites.append((source, line, tags))


def check_claim(tree, source, line, orders, text):
    """A comment that states an order, "[park.1] rel: ...", states the one of the code."""
    is_only_site = len(SITE.findall(source.code.split("\n")[line - 1])) == 1
    claims = set(CLAIMED_ORDER.findall(text))
    true = orders | ({"acq", "rel"} if "acqrel" in orders else set())
    if is_only_site and claims and not claims & true:
        tree.report("L4", source, line, f"the comment says {', '.join(sorted(claims))}")


def check_tags(tree, source, rows):
    for comment in source.comments:
        for offset, text in enumerate(comment.lines):
            for tag in (tags_in(text) | set(KEY_TAG.findall(text))) - rows.keys():
                tree.report("L4", source, comment.first + offset, f"edge {tag} has no row")


def check_row(tree, tag, row):
    if "(lock)" in row.text or "(parker)" in row.text:
        return
    if len(row.sites) < 2:
        tree.report("L4", row.source, row.line, f"edge {tag} has {len(row.sites)} of 2 sites")
    elif not any(orders & SENDS for orders in row.sites):
        tree.report("L4", row.source, row.line, f"edge {tag} has no site that publishes")
    elif not any(orders & TAKES for orders in row.sites):
        tree.report("L4", row.source, row.line, f"edge {tag} has no site that acquires")


def check_sc(tree, rows, sc_sites):
    """sc stands only in a store-load pair that the table names as such."""
    for source, line, tags in sc_sites:
        for tag in tags & rows.keys():
            row = rows[tag]
            if not re.search(r"\bsc\b", row.text) or count_sc(row) < 2:
                tree.report("L3", source, line, f"sc, but the row of {tag} is no pair of sc sites")


def count_sc(row):
    return sum(1 for orders in row.sites if "sc" in orders)
