#!/bin/sh
# pool_compress.sh - every file comes back whole, failures are named, no part of a file is left
# SPDX-License-Identifier: MIT
exec timeout 100 python3 - "$1" <<'END'
import atexit
import os
import pty
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.abspath(sys.argv[1])
PATIENCE_S = 30
FILES = 40  # more than the queue and the workers hold
ENDLESS_BYTES = 1 << 40

scratch = tempfile.TemporaryDirectory()
os.chdir(scratch.name)


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def run(status, *arguments):
    """Run to the end; give the sorted lines of standard output, and those of standard error."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, timeout=PATIENCE_S, text=True,
                          stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == status, (arguments, done)
    return sorted(done.stdout.splitlines()), done.stderr.splitlines()


def unzipped(path):
    return subprocess.run(["gzip", "-dc", path], capture_output=True, check=True).stdout


def make_files(folder):
    """Files of all kinds of sizes, around that of a block, compressible and not."""
    os.mkdir(folder)
    rng = random.Random(7)
    sizes = [0, 1, 65535, 65536, 65537, 200000] + [rng.randrange(3000) for _ in range(FILES - 6)]
    paths = []
    for i, size in enumerate(sizes):
        paths.append(f"{folder}/file {i:02d}")
        write(paths[-1], rng.randbytes(size) if i % 2 else b"all the same " * (size // 13))
    return paths


def files_come_back_from_beside_and_from_a_folder():
    paths = make_files("some")
    os.chmod(paths[3], 0o600)
    names, told = run(0, *paths)
    assert names == [path + ".gz" for path in paths], names
    assert told == [f"{FILES} files, 0 failed"], told
    assert all(unzipped(path + ".gz") == read(path) for path in paths)
    assert os.stat(paths[3] + ".gz").st_mode & 0o777 == 0o600, "others may read what they may not"
    os.mkdir("out")
    names, told = run(0, "-o", "out", *paths, "./some/../some/file 00.gz")
    assert names[0] == "out/file 00.gz" and names[1] == "out/file 00.gz.gz", names
    assert told == [f"{FILES + 1} files, 0 failed"], told
    assert all(unzipped(path.replace("some", "out") + ".gz") == read(path) for path in paths)


def what_fails_is_named_and_the_others_go_on():
    for name in ("good", "taken", "last"):
        write(name, name.encode())
    write("taken.gz", b"not ours")
    os.mkdir("folder")
    os.mkfifo("fifo")
    far = "x" * 5000
    names, told = run(1, "good", "missing", "folder", "fifo", "taken", far, "last")
    assert names == ["good.gz", "last.gz"], names
    assert sorted(told) == sorted([
        "pool_compress: missing: No such file or directory",
        "pool_compress: folder: Is a directory",
        "pool_compress: fifo: Operation not supported",
        "pool_compress: taken.gz: File exists",
        f"pool_compress: {far}: File name too long",
        "7 files, 5 failed"]), told
    assert read("taken.gz") == b"not ours" and unzipped("last.gz") == b"last"
    names, told = run(1, "-o", "nowhere", "good")
    assert (names, told[0]) == ([], "pool_compress: nowhere/good.gz: No such file or directory")


def a_full_disk_leaves_no_part_of_a_file():
    write("large", random.Random(8).randbytes(300000))
    for name, kibibytes in (("large", 100), ("good", 0)):  # it fails in between, and at the end
        limited = f'rm -f {name}.gz; ulimit -f {kibibytes}; trap "" XFSZ; exec "{PROGRAM}" {name}'
        done = subprocess.run(["bash", "-c", limited], stdout=subprocess.DEVNULL, check=False,
                              stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S)
        assert done.returncode == 1, done
        assert f"pool_compress: {name}.gz: File too large\n" in done.stderr, done
        assert not os.path.exists(f"{name}.gz")
    run(0, "good")


def wrong_usage_is_refused():
    for arguments in ([], ["-o"], ["-o", "out"], ["-x", "good"]):
        assert run(2, *arguments) == ([], ["usage: pool_compress [-o FOLDER] FILE..."]), arguments


def until(holds):
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "never happened"
        time.sleep(0.001)


def ctrl_c_removes_what_is_not_whole():
    endless = [f"endless {i}" for i in range(FILES)]
    for path in endless:
        write(path, b"")
        os.truncate(path, ENDLESS_BYTES)
    process = subprocess.Popen([PROGRAM, "good", *endless], stderr=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, text=True)
    atexit.register(process.kill)
    until(lambda: os.path.exists("endless 0.gz"))
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=PATIENCE_S)[1].splitlines()
    assert process.returncode == 128 + signal.SIGINT, (process.returncode, told)
    assert re.fullmatch("pool_compress: interrupted after [01] of 41 files", told[-1]), told
    left = [name for name in os.listdir() if name.startswith("endless") and name.endswith(".gz")]
    assert left == [], left


def read_terminal(leader):
    seen = b""
    try:
        while True:
            seen += os.read(leader, 65536)
    except OSError:  # the last one who wrote to it has closed it
        return seen.decode()


def the_bar_is_for_terminals():
    leader, follower = pty.openpty()
    for name in ("good.gz", "last.gz"):
        os.remove(name)
    process = subprocess.Popen([PROGRAM, "good", "missing", "last"], stderr=follower,
                               stdout=subprocess.DEVNULL)
    os.close(follower)
    assert process.wait(PATIENCE_S) == 1
    seen = read_terminal(leader)
    pieces = seen.split("\r\x1b[K")
    assert pieces[0] == "" and pieces[-1] == "3 files, 1 failed\r\n", seen
    for ended, full in ((1, 13), (2, 26), (3, 40)):
        bar = f"[{'#' * full:40}] {ended} of 3 files"
        assert pieces[ended].endswith(bar), (bar, seen)
    assert seen.count("pool_compress: missing: No such file or directory\r\n") == 1, seen


for test in (files_come_back_from_beside_and_from_a_folder,
             what_fails_is_named_and_the_others_go_on,
             a_full_disk_leaves_no_part_of_a_file,
             wrong_usage_is_refused,
             ctrl_c_removes_what_is_not_whole,
             the_bar_is_for_terminals):
    test()
    print("ok", test.__name__)
END
