#!/usr/bin/env python3
"""run.py - builds the tester's library with one fault each, and sees that a scenario finds it.
SPDX-License-Identifier: MIT

Usage: run.py BUILD_FOLDER [NAME...] [--jobs N] [--seconds N] [--count N] [--modes MODE...]

A mutant is a patch below this folder: header lines (Breaks, Covers, Killer, Mode), then a unified
diff against src/. It must apply exactly, its killers must exist, and one of them must fail, and do
so again by the line that it prints. Mode plain, weak or race is the build of the tester that sees
it. A line for each mutant; the last one is
mutants=KILLED/TOTAL. The status is 0 if all were killed. --count takes so many of them, other ones
for each commit.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FIELDS = ("Breaks", "Covers", "Killer", "Mode")
LIBRARIES = {"plain": "model_cconc", "weak": "model_cconc_weak", "race": "model_cconc_race"}
PROGRAMS = {"plain": "model", "weak": "model_weak", "race": "model_race"}


class Failure(Exception):
    """What keeps a mutant from being judged."""


class Mutant:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)[:-len(".patch")]
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.fields = dict(re.findall(r"^(\w+):[ \t]*(.+)$", text.partition("\n--- ")[0],
                                      re.MULTILINE))
        self.files = re.findall(r"^--- a/(src/\S+)", text, re.MULTILINE)
        missing = [field for field in FIELDS if field not in self.fields]
        if missing or not self.files or self.fields["Mode"] not in LIBRARIES:
            raise Failure(f"{self.name}: lacks {', '.join(missing) or 'a diff or a known mode'}")

    def killers(self):
        return self.fields["Killer"].split()


class Build:
    """The objects of one of the tester's libraries, how each is made, and how they are linked."""

    def __init__(self, folder, library):
        self.folder = folder
        self.output = f"tests/model/lib{library}.so"
        with open(os.path.join(folder, "compile_commands.json"), encoding="utf-8") as file:
            commands = json.load(file)
        self.commands = {entry["output"]: entry["command"] for entry in commands
                         if entry["output"].startswith(self.output + ".p/")}
        self.link = self.ninja("commands", self.output).strip().splitlines()[-1]
        self.sources = {}
        for block in self.ninja("deps", *self.commands).split("\n\n"):
            head, _, rest = block.partition(":")
            paths = [os.path.join(folder, line.strip()) for line in rest.splitlines()[1:]]
            self.sources[head.strip()] = {os.path.realpath(path) for path in paths}

    def ninja(self, tool, *names):
        return subprocess.run(["ninja", "-C", self.folder, "-t", tool, *names], text=True,
                              check=True, stdout=subprocess.PIPE).stdout

    def run(self, command):
        done = subprocess.run(command, shell=True, cwd=self.folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise Failure("does not build:\n" + done.stdout)


def mutate(mutant, folder):
    """The patched files below folder/src."""
    for name in mutant.files:
        os.makedirs(os.path.join(folder, os.path.dirname(name)), exist_ok=True)
        shutil.copy(os.path.join(ROOT, name), os.path.join(folder, name))
    done = subprocess.run(["patch", "-p1", "-s", "--fuzz=0", "-i", mutant.path], cwd=folder,
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise Failure("does not apply:\n" + done.stdout)


def build_library(mutant, build, folder):
    changed = {os.path.realpath(os.path.join(ROOT, name)): os.path.join(folder, name)
               for name in mutant.files}
    include = f"-I{os.path.join(folder, 'src')} "
    link = build.link.replace(f"-o {build.output}",
                              f"-o {os.path.join(folder, os.path.basename(build.output))}")
    for output, command in build.commands.items():
        if not build.sources.get(output, set()) & changed.keys():
            continue
        made = os.path.join(folder, os.path.basename(output))
        command = command.replace(f"-o {output}", f"-o {made}")
        command = command.replace("-Isrc ", include + "-Isrc ")
        source = command.rpartition(" -c ")[2].strip()
        real = os.path.realpath(os.path.join(build.folder, source))
        if real in changed:
            command = command.replace(f" -c {source}", f" -c {changed[real]}")
        build.run(re.sub(r"-M[QF] \S+|-MD", "", command))
        link = link.replace(output, made)
    build.run(link)


def explore(command, folder, seconds, **variables):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=seconds,
                          env={**os.environ, "LD_LIBRARY_PATH": folder, **variables})
    if done.returncode not in (0, 1):
        raise Failure(f"the tester ended with {done.returncode}: {done.stderr[-500:]}")
    return done


def judge(mutant, builds, folder, seconds):
    """Which scenario found it; None if none did."""
    mode = mutant.fields["Mode"]
    mutate(mutant, folder)
    build_library(mutant, builds[mode], folder)
    program = os.path.join(builds[mode].folder, "tests/model", PROGRAMS[mode])
    done = explore([program, "--first", "--exact", "--terse", "--jobs", "1", *mutant.killers()],
                   folder, seconds)
    failed = re.search(r"^(\w+) .* FAILED$", done.stdout, re.MULTILINE)
    if not failed:
        return None
    again = re.search(r"again: MODEL_REPLAY=(\S+)$", done.stderr, re.MULTILINE)
    if again:
        replayed = explore([program, "--terse"], folder, seconds, MODEL_REPLAY=again.group(1))
        if replayed.returncode != 1:
            raise Failure(f"{again.group(1)} does not fail again")
    return failed.group(1)


def try_one(mutant, builds, base, seconds):
    start = time.monotonic()
    folder = os.path.join(base, mutant.name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    try:
        killer = judge(mutant, builds, folder, seconds)
        verdict = f"killed by {killer}" if killer else "SURVIVED"
    except Failure as failure:
        killer, verdict = None, f"CANNOT BE JUDGED: {failure}"
    except subprocess.TimeoutExpired:
        killer, verdict = None, f"SURVIVED for {seconds} s"
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{mutant.name:<44} {time.monotonic() - start:5.1f} s  {verdict}", flush=True)
    return killer is not None


def stale(mutants, base):
    """Those of all that the sources have left behind, though they are not to run today."""
    found = []
    for mutant in mutants:
        folder = os.path.join(base, "stale-" + mutant.name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        try:
            mutate(mutant, folder)
        except Failure as failure:
            found.append(mutant)
            print(f"{mutant.name:<44}        {failure}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    return found


def some_of(mutants, count):
    """As many of them, beginning where the commit says."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.strip()
    start = int(commit or "0", 16) % max(len(mutants), 1)
    return (mutants[start:] + mutants[:start])[:count]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("names", nargs="*", help="parts of the names of those that are to run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--count", type=int, default=sys.maxsize)
    parser.add_argument("--modes", nargs="+", choices=sorted(LIBRARIES), default=sorted(LIBRARIES))
    options = parser.parse_args()
    paths = sorted(name for name in os.listdir(HERE) if name.endswith(".patch"))
    try:
        mutants = [Mutant(os.path.join(HERE, path)) for path in paths]
    except Failure as failure:
        sys.exit(f"run.py: {failure}")
    mutants = [m for m in mutants if m.fields["Mode"] in options.modes]
    if options.names:
        mutants = [m for m in mutants if any(name in m.name for name in options.names)]
    folder = os.path.abspath(options.build)
    base = os.path.join(folder, "mutants")
    left = stale(mutants, base)
    mutants = some_of([m for m in mutants if m not in left], options.count)
    builds = {mode: Build(folder, LIBRARIES[mode]) for mode in {m.fields["Mode"] for m in mutants}}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        killed = list(pool.map(lambda m: try_one(m, builds, base, options.seconds), mutants))
    print(f"mutants={sum(killed)}/{len(mutants) + len(left)}")
    return 0 if all(killed) and mutants and not left else 1


if __name__ == "__main__":
    sys.exit(main())
