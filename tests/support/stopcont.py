"""stopcont.py - runs a program that is stopped and continued at random moments.

SPDX-License-Identifier: MIT

Usage: stopcont.py PROGRAM [ARGUMENT...]; the status is the program's

All threads of the program stand still for up to a fifth of a second, and then run for as long at
most; SEED in the environment, which is printed, gives the same moments again. No watchdog may
bark, no wait may miss what happened meanwhile.
"""
import os
import random
import signal
import subprocess
import sys
import time

MOST_SECONDS = 0.2


def main():
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
    moments = random.Random(seed)
    stops = 0
    program = subprocess.Popen(sys.argv[1:])
    while program.poll() is None:
        time.sleep(moments.uniform(0, MOST_SECONDS))
        program.send_signal(signal.SIGSTOP)
        time.sleep(moments.uniform(0, MOST_SECONDS))
        program.send_signal(signal.SIGCONT)
        stops += 1
    print(f"stopcont: SEED={seed}, {stops} stops")
    status = program.returncode
    if status < 0:
        print(f"stopcont: ended by signal {-status}")
    return status if status >= 0 else 128 - status


sys.exit(main())
