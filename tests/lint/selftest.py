"""selftest.py - proves that each rule of the lint fires on its sample, and on nothing else.
SPDX-License-Identifier: MIT

A sample is a small tree samples/Lnn_what/ with a file expect.txt that holds, line by line, the
findings it must give: `path:line: Lnn`. samples/clean/ must give none. A sample with a build.c is
compiled, and the library that comes out is checked too.
"""
import collections
import os
import re
import shutil
import subprocess
import tempfile


def self_test(samples, rule_count, run):
    compiler = find_compiler()
    failures = 0
    tested = set()
    names = sorted(os.listdir(samples))
    for name in names:
        faults, rules = test_sample(os.path.join(samples, name), name, run, compiler)
        tested |= rules
        failures += bool(faults)
        print(f"{'failed' if faults else 'passed'} {name}")
        for fault in faults:
            print(f"    {fault}")
    for number in range(1, rule_count + 1):
        if f"L{number}" not in tested:
            print(f"failed: rule L{number} has no sample that it rejects")
            failures += 1
    print(f"lint self-test: {len(names)} samples, {len(tested)} rules, {failures} failures")
    return 1 if failures else 0


def find_compiler():
    for name in ("gcc", "cc", "clang"):
        if shutil.which(name):
            return name
    raise SystemExit("lint self-test: the samples of L5 and L10 need gcc or clang")


def test_sample(folder, name, run, compiler):
    """The faults of one sample, and the rules that it proves."""
    own_rule = re.match(r"L(\d+)_|clean", name).group(1)
    expected = read_expected(folder)
    with tempfile.TemporaryDirectory() as built:
        libraries = build_libraries(folder, built, compiler)
        tree = run(folder, compiler=compiler, **libraries)
    found = collections.Counter(f"{f.path.replace(built + os.sep, '')}:{f.line}: {f.rule}"
                                for f in tree.findings)
    faults = [f"did not fire: {line}" for line in (expected - found).elements()]
    faults += [f"fired: {line}" for line in (found - expected).elements()]
    rules = {line.rpartition(" ")[2] for line in expected}
    if rules != ({f"L{int(own_rule)}"} if own_rule else set()):
        faults.append(f"expects {sorted(rules)}: a sample is about the rule in its name")
    return faults, rules


def read_expected(folder):
    path = os.path.join(folder, "expect.txt")
    if not os.path.exists(path):
        return collections.Counter()
    with open(path, encoding="utf-8") as file:
        return collections.Counter(line.strip() for line in file if line.strip())


def build_libraries(folder, built, compiler):
    """Make libsample.so and libsample.a of a sample that has something to link."""
    source = os.path.join(folder, "build.c")
    if not os.path.exists(source):
        return {}
    shared = os.path.join(built, "libsample.so")
    archive = os.path.join(built, "libsample.a")
    unit = os.path.join(built, "build.o")
    subprocess.run([compiler, "-fPIC", "-c", source, "-o", unit], check=True)
    subprocess.run([compiler, "-shared", unit, "-o", shared], check=True)
    subprocess.run(["ar", "rc", archive, unit], check=True)
    return {"shared": shared, "archive": archive}
