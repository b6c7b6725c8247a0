#!/usr/bin/env python3
"""table.py - the medians of the benchmarks as a table
SPDX-License-Identifier: MIT

Usage: table.py [--markdown] RESULTS

A row is a cell: libcconc's ns per operation, the best peer's, the ratio of the two, which is above
1 where libcconc is faster, and the processor time of both. "!" marks a ratio below the goal, and
a processor time that is more than a tenth above the best peer's and not paid for by the ratio.
"""
import argparse
import math

from results import Results

GOAL = 1.2
GOALS = {
    "once_fast": 0.95,  # a load and a branch: the limit of the machine
    "wake_idle_p50": 1 / 1.1,
    "wake_idle_p99": 1 / 1.1,
}
# There every hop of a thread is a switch of the kernel's: its goal is the best peer of threads.
NO_RIVALS = {"chan_ring100_cap0": ("go",)}
MOST_CPU = 1.1

HEAD = ("cell", "libcconc ns", "best peer", "its ns", "ratio", "libcconc CPU ns", "its CPU ns")


def is_behind(results, cell):
    rival = results.best_peer(cell, but=NO_RIVALS.get(cell, ()))
    return rival is not None and rival[1].ns / results.ours(cell).ns < GOALS.get(cell, GOAL)


def is_wasteful(ours, peer, ratio):
    return ours.cpu_ns > peer.cpu_ns * MOST_CPU and ours.cpu_ns > peer.cpu_ns * ratio


def number(value):
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def rows_of(results):
    """The rows, as texts, and the ratio of each cell that has a peer."""
    rows, ratios = [], {}
    for cell in results.cells:
        ours, best = results.ours(cell), results.best_peer(cell)
        if ours is None and best is None:
            continue
        row = [cell] + [""] * (len(HEAD) - 1)
        if ours:
            row[1], row[5] = number(ours.ns), number(ours.cpu_ns)
        if best:
            row[2], row[3], row[6] = best[0], number(best[1].ns), number(best[1].cpu_ns)
        if ours and best:
            ratio = ratios[cell] = best[1].ns / ours.ns
            row[4] = f"{ratio:.2f}" + ("!" if is_behind(results, cell) else "")
            row[5] += "!" if is_wasteful(ours, best[1], ratio) else ""
        rows.append(row)
    return rows, ratios


def summary(results, ratios):
    if not ratios:
        return "No cell has both libcconc and a peer."
    mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
    behind = sum(is_behind(results, cell) for cell in ratios)
    return (f"{len(ratios)} cells with a peer: {len(ratios) - behind} as far ahead as the goal, "
            f"{sum(ratio >= 1 for ratio in ratios.values())} ahead at all, "
            f"geometric mean of the ratios {mean:.2f}.")


def text_table(rows):
    table = [list(HEAD)] + rows
    widths = [max(len(row[k]) for row in table) for k in range(len(HEAD))]
    left = (0, 2)
    return "\n".join("  ".join(text.ljust(width) if k in left else text.rjust(width)
                               for k, (text, width) in enumerate(zip(row, widths))).rstrip()
                     for row in table)


def markdown_table(rows):
    lines = ["| " + " | ".join(HEAD) + " |", "|---|--:|---|--:|--:|--:|--:|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def main():
    parser = argparse.ArgumentParser(description="Print the medians as a table.")
    parser.add_argument("--markdown", action="store_true", help="as a document has it")
    parser.add_argument("results", metavar="RESULTS", help="a file that compare.sh has written")
    arguments = parser.parse_args()
    results = Results(arguments.results)
    rows, ratios = rows_of(results)
    facts = ", ".join(f"{key} {value}" for key, value in results.facts.items())
    print((markdown_table if arguments.markdown else text_table)(rows))
    print()
    print(summary(results, ratios))
    if facts:
        print(("\n" if arguments.markdown else "") + facts)


if __name__ == "__main__":
    main()
