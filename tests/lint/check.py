#!/usr/bin/env python3
"""check.py - the lint: rules L1 to L16 of the house style, run over the whole tree.
SPDX-License-Identifier: MIT

Prints `file:line: Lnn message` for each finding, then each line that opts out, then the counts;
exits with 1 if there is a finding. A line opts out by a comment `lint: allow L4, <reason>` on it or
right above it. With --cc the library is compiled for the rules that only a compiler can check.
"""
import argparse
import os
import sys

import rules_api
import rules_sizes
import selftest
from rules_api import check_l8, check_l9
from rules_docs import check_l14
from rules_fields import check_l6
from rules_layers import check_l1, check_l2, check_l3
from rules_models import check_l15
from rules_names import check_l7
from rules_orders import check_l4
from rules_sizes import check_l5
from rules_text import check_l11, check_l12, check_l13
from rules_together import check_l16
from tree import Tree

RULES = [check_l1, check_l2, check_l3, check_l4, check_l5, check_l6, check_l7, check_l8, check_l9,
         check_l11, check_l12, check_l13, check_l14, check_l15, check_l16]
RULE_COUNT = 16
LINT_FOLDER = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(LINT_FOLDER))


def run(root, compiler=None, frames=None, shared=None, archive=None):
    """Apply all rules to the tree at root, those on built files as far as they are given."""
    tree = Tree(root)
    for rule in RULES:
        rule(tree)
    if compiler:
        rules_sizes.compile_sources(tree, compiler)
    if frames:
        rules_sizes.check_frames(tree, frames)
    if shared:
        rules_api.check_shared(tree, shared)
    if archive:
        rules_api.check_archive(tree, archive)
    tree.settle(unchecked=set() if compiler or frames else {"L5"})
    return tree


def print_tree(tree):
    for finding in tree.findings:
        print(f"{finding.path}:{finding.line}: {finding.rule} {finding.message}")
    for (path, line), (rule, reason) in sorted(tree.allows.items()):
        print(f"{path}:{line}: allowed {rule}: {reason}")
    counts = {}
    for finding in tree.findings:
        counts[finding.rule] = counts.get(finding.rule, 0) + 1
    details = ", ".join(f"{rule} {counts[rule]}" for rule in sorted(counts, key=rule_number))
    print(f"lint: {len(tree.sources)} files, {len(tree.findings)} findings, "
          f"{len(tree.allows)} allowed" + (f" ({details})" if details else ""))


def rule_number(rule):
    return int(rule[1:])


def parse_arguments():
    parser = argparse.ArgumentParser(description="Check the tree against the house style.")
    parser.add_argument("--root", default=ROOT, help="the tree to check, default: this one")
    parser.add_argument("--cc", metavar="CC", help="compile src with gcc, for frames and arrays")
    parser.add_argument("--su", metavar="DIR", help="a build folder with .su files, for frames")
    parser.add_argument("--so", metavar="FILE", help="the shared library, for its symbols")
    parser.add_argument("--a", metavar="FILE", help="the archive, for its symbols")
    parser.add_argument("--rule", metavar="Lnn", help="print the findings of this rule only")
    parser.add_argument("--self-test", action="store_true",
                        help="prove that each rule fires on its sample, and only on it")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    if arguments.self_test:
        return selftest.self_test(os.path.join(LINT_FOLDER, "samples"), RULE_COUNT, run)
    tree = run(os.path.abspath(arguments.root), arguments.cc, arguments.su, arguments.so,
               arguments.a)
    if arguments.rule:
        tree.findings = [f for f in tree.findings if f.rule == arguments.rule]
    print_tree(tree)
    return 1 if tree.findings else 0


if __name__ == "__main__":
    sys.exit(main())
