"""results.py - reads what the benchmarks print, and takes medians
SPDX-License-Identifier: MIT

A results file has lines "# key <TAB> value" that say where it comes from, and a line for each
measurement: cell, peer, ns per operation, processor time per operation, and what else a program
tells, separated by tabs. A cell that was measured in several rounds has as many lines.
"""
import collections
import statistics

OURS = "libcconc"

PARTS = [  # of a report; a cell belongs to the first part whose expression its name starts with
    ("channels", r"chan_"),
    ("select", r"select_|send_or_ctx"),
    ("tasks", r"spawn_|errgroup_|pool_|forkjoin_|parallel_for"),
    ("contexts", r"ctx_|timer_|ticker_|wake_idle"),
    ("limits", r"limiter_|sem_|sometimes_"),
    ("objects", r"once_|singleflight_|objpool_|counter_"),
]

Median = collections.namedtuple("Median", "ns cpu_ns")


class Results:
    """facts: key -> value; cells: cell -> peer -> Median, in the order of the file; extra: cell ->
    what libcconc told besides, in the last round."""

    def __init__(self, path):
        self.facts = {}
        self.extra = {}
        rows = collections.defaultdict(lambda: collections.defaultdict(list))
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                fields = line.rstrip("\n").split("\t")
                if fields[0].startswith("# "):
                    self.facts[fields[0][2:]] = fields[1]
                    continue
                if len(fields) < 4:
                    raise ValueError(f"{path}:{number}: not cell, peer, ns, cpu_ns")
                rows[fields[0]][fields[1]].append((float(fields[2]), float(fields[3])))
                if fields[1] == OURS:
                    self.extra[fields[0]] = fields[4:]
        self.cells = {cell: {peer: median(values) for peer, values in peers.items()}
                      for cell, peers in rows.items()}

    def best_peer(self, cell, but=()):
        """(name, Median) of the fastest peer of a cell, or None; those in but do not count."""
        peers = [item for item in self.cells[cell].items() if item[0] not in (OURS, *but)]
        return min(peers, key=lambda item: item[1].ns, default=None)

    def ours(self, cell):
        return self.cells[cell].get(OURS)


def median(values):
    return Median(statistics.median(ns for ns, _ in values),
                  statistics.median(cpu for _, cpu in values))
