#!/usr/bin/env python3
# treesum_tree.py - makes the directory trees that the test of treesum runs on.
# SPDX-License-Identifier: MIT
"""Usage: treesum_tree.py hostile|deep|endless DIR

hostile  every name, order, size and kind of entry that could be got wrong
deep     a file and a directory with paths that are too long, but just so
endless  a hundred small files, then two that nobody lives long enough to hash
"""
import os
import random
import socket
import sys

BLOCK = 128 * 1024  # what treesum reads at a time
BATCH = 64          # how many files it hands over at a time
ENDLESS_BYTES = 1 << 40
PATH_BYTES = 4096   # PATH_MAX of Linux


def write(path, data=None):
    with open(path, "wb") as file:
        file.write(path if data is None else data)


def every_byte(root):
    """A file and a directory for every byte that a name can hold."""
    for byte in range(1, 256):
        if byte != ord("/"):
            name = bytes([byte])
            write(root + b"/name" + name)
            os.mkdir(root + b"/dir" + name)
            write(root + b"/dir" + name + b"/inside")
    for name in (b"-n", b"--help", b" ", b"  two  blanks ", b"\n", b"a\nb\\c\rd", b"\\", b"*", b"~",
                 b"...", b"\xff\xfe", "\u00fc".encode(), b"\xc3", b"x" * 255):
        write(root + b"/" + name)


def naive_order_breakers(root):
    """Names that sort otherwise when a directory is compared without its slash."""
    pieces = [b"a", b"a!", b"a-", b"a-b", b"a.b", b"a/", b"a0", b"ab", b"A"]
    rng = random.Random(20)

    def fill(path, depth):
        for piece in pieces:
            name = piece.rstrip(b"/")
            is_dir = piece.endswith(b"/") or rng.random() < 0.3
            target = path + b"/" + name
            if os.path.lexists(target):
                continue
            if is_dir and depth > 0:
                os.mkdir(target)
                fill(target, depth - 1)
            else:
                write(target)

    # "a" itself must be a directory where "a/" is wanted, so the list starts from its end.
    pieces.reverse()
    fill(root, 3)


def sizes(root):
    for size in (0, 1, 55, 56, 63, 64, 65, 4095, 4096, 4097, BLOCK - 1, BLOCK, BLOCK + 1,
                 3 * BLOCK + 7):
        write(root + b"/%07d" % size, random.Random(size).randbytes(size))


def counts(root):
    for count in (0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 2):
        os.mkdir(root + b"/%04d" % count)
        for i in range(count):
            write(root + b"/%04d/%d" % (count, i))


def no_regular_files(root):
    write(root + b"/target")
    os.mkdir(root + b"/dir")
    write(root + b"/dir/inside")
    os.symlink(b"target", root + b"/link-to-file")
    os.symlink(b"dir", root + b"/link-to-dir")
    os.symlink(b".", root + b"/link-to-self")
    os.symlink(b"nowhere", root + b"/link-to-nothing")
    os.symlink(b"loop", root + b"/loop")
    os.mkfifo(root + b"/fifo")
    here = os.getcwd()
    os.chdir(root)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(b"socket")
    os.chdir(here)


def nested(root):
    for _ in range(60):
        root += b"/down"
        os.mkdir(root)
        write(root + b"/a")
        write(root + b"/z")


def hostile(root):
    for make in (every_byte, naive_order_breakers, sizes, counts, no_regular_files, nested):
        path = root + b"/" + make.__name__.encode()
        os.mkdir(path)
        make(path)


def deep(root):
    """Go down step by step: the whole path is too long to be named at once."""
    for what in (b"file", b"dir"):
        here = os.getcwd()
        os.mkdir(root + b"/" + what)
        os.chdir(root + b"/" + what)
        room = PATH_BYTES - len(os.getcwdb())
        while room > 210:
            write(b"readable", b"readable")
            os.mkdir(b"d" * 99)
            os.chdir(b"d" * 99)
            room -= 100
        if what == b"file":
            write(b"d" * 210 + what)
        else:
            os.mkdir(b"d" * 210 + what)
        os.chdir(here)


def endless(root):
    for i in range(100):
        write(root + b"/small-%03d" % i, b"%d\n" % i * 1000)
    for name in (b"/z-endless-1", b"/z-endless-2"):
        write(root + name, b"")
        os.truncate(root + name, ENDLESS_BYTES)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("hostile", "deep", "endless"):
        sys.exit(__doc__)
    os.mkdir(sys.argv[2])
    {"hostile": hostile, "deep": deep, "endless": endless}[sys.argv[1]](os.fsencode(sys.argv[2]))
