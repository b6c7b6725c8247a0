"""helgrind.py - runs a program under helgrind and judges its locks.

SPDX-License-Identifier: MIT

Usage: helgrind.py PROGRAM [ARGUMENT...]

Fails, with helgrind's words, if locks are taken in two orders, or a call of pthreads is wrong: a
mutex unlocked by another thread, destroyed while locked, a condition waited for without its mutex.
Races are ThreadSanitizer's to judge: helgrind takes each access to a C11 atomic for a plain one.
That a condition is signalled after its mutex was left is what the library does on purpose; that a
thread cannot be started is what tests/grid asks for, with stacks larger than all memory. Forked
children are silent: they would write into the report of their parent.
"""
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree


def text_of(error):
    """What helgrind says of one error, with the places."""
    what = error.findtext("xwhat/text") or error.findtext("what") or ""
    lines = [f"{error.findtext('kind')}: {what}"]
    for frame in error.iter("frame"):
        lines.append(f"    {frame.findtext('fn')} ({frame.findtext('file')}:"
                     f"{frame.findtext('line')})")
    return "\n".join(lines)


def is_judged(error):
    text = text_of(error)
    return (error.findtext("kind") != "Race" and "dubious" not in text and
            "pthread_create failed" not in text)


def main():
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        status = subprocess.call(
            ["valgrind", "--tool=helgrind", "-q", "--xml=yes", f"--xml-file={report.name}",
             "--error-limit=no", "--history-level=none", "--max-threads=4000", "--fair-sched=yes",
             "--child-silent-after-fork=yes", *sys.argv[1:]])
        errors = [error for error in tree.parse(report.name).getroot().iter("error")
                  if is_judged(error)]
    for error in errors:
        print(text_of(error), file=sys.stderr)
    return status if status != 0 else 99 if errors else 0


sys.exit(main())
