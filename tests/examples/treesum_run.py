#!/usr/bin/env python3
# treesum_run.py - runs treesum with signals, stuck pipes, terminals and other users, and judges it.
# SPDX-License-Identifier: MIT
"""Usage: treesum_run.py CHECK PROGRAM TREE [ARGUMENT]

CHECK is the name of one of the functions below. TREE is one that treesum_tree.py made.
Exit status 0: it held; 1: it did not, and standard error says what.
"""
import fcntl
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

SLOWNESS = float(os.environ.get("TREESUM_SLOWNESS", "1"))  # of the program, under a checker
PATIENCE = 30 * SLOWNESS  # seconds until something that must happen counts as never happening
INTERRUPTED = re.compile(rb"treesum: interrupted after (\d+) of (\d+) files, (\d+) bytes\n")


def until(holds, what):
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise AssertionError("never happened: " + what)
        time.sleep(0.001)


STARTED = []  # processes, to be killed if they outlive their check


def start(arguments, **options):
    STARTED.append(subprocess.Popen(arguments, **options))
    return STARTED[-1]


def errors_at_end(process):
    """Wait until process has ended, and give what it wrote to standard error."""
    try:
        return process.communicate(timeout=PATIENCE)[1]
    except subprocess.TimeoutExpired:
        raise AssertionError("the program does not end") from None


def catches_sigint(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        caught = re.search(r"SigCgt:\s*([0-9a-f]+)", status.read())
    return bool(int(caught.group(1), 16) >> (signal.SIGINT - 1) & 1)


def open_files(pid):
    """The paths of what the process has open; they may be closed while one looks."""
    paths = set()
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            paths.add(os.readlink(entry.path))
        except FileNotFoundError:
            pass
    return paths


def expected_lines(tree):
    """What sha256sum says of the small files of an endless tree."""
    names = sorted(name for name in os.listdir(tree) if name.startswith("small"))
    return subprocess.run(["sha256sum", *(f"{tree}/{name}" for name in names)], check=True,
                          stdout=subprocess.PIPE).stdout


def judge_interrupted(status, output, errors, expected):
    assert status == 130, f"exit status {status}, stderr {errors!r}"
    assert expected.startswith(output), f"no prefix of the full output: {output[-200:]!r}"
    found = INTERRUPTED.search(errors)
    assert found, f"no word about the interruption: {errors!r}"
    assert int(found.group(1)) <= int(found.group(2)) <= 102, errors
    assert output.count(b"\n") <= int(found.group(1)), "more lines than files"


def interrupt(program, tree, rounds):
    """Ctrl-C at random moments: exit status 130 soon, standard output a prefix."""
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"interrupt: SEED={seed}")
    rng = random.Random(seed)
    expected = expected_lines(tree)
    times = []
    for _ in range(int(rounds)):
        with tempfile.TemporaryFile() as output:
            process = start([program, f"-j{rng.randint(1, 5)}", tree], stdout=output,
                            stderr=subprocess.PIPE)
            until(lambda: catches_sigint(process.pid), "SIGINT is caught")
            time.sleep(rng.choice((0, 0.002, 0.02, 0.1)) * rng.random())
            signalled = time.monotonic()
            process.send_signal(signal.SIGINT)
            errors = errors_at_end(process)
            times.append(time.monotonic() - signalled)
            output.seek(0)
            judge_interrupted(process.returncode, output.read(), errors, expected)
    times.sort()
    print(f"interrupt: median {1000 * times[len(times) // 2]:.1f} ms, "
          f"longest {1000 * times[-1]:.1f} ms")
    assert times[len(times) // 2] < 0.1 * SLOWNESS, f"took too long to stop: {times}"


def interrupt_stuck_pipe(program, tree):
    """Ctrl-C while nobody reads standard output."""
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    process = start([program, tree], stdout=writer, stderr=subprocess.PIPE)
    until(lambda: not select.select([], [writer], [], 0)[1], "the pipe is full")
    process.send_signal(signal.SIGINT)
    errors = errors_at_end(process)
    judge_interrupted(process.returncode, os.read(reader, size), errors, expected_lines(tree))
    os.close(reader)
    os.close(writer)


def second_signal(program, tree):
    """A second Ctrl-C ends what the first one cannot: here a write to a standard error that nobody
    reads."""
    reader, writer = os.pipe()
    os.write(writer, b"x" * fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096))
    process = start([program, "-q", tree + "/missing", tree], stdout=subprocess.DEVNULL,
                    stderr=writer)
    until(lambda: catches_sigint(process.pid), "SIGINT is caught")

    def ended():
        process.send_signal(signal.SIGINT)
        return process.poll() is not None

    until(ended, "the second SIGINT ends the program")
    os.close(reader)
    os.close(writer)
    assert process.returncode == 130, f"exit status {process.returncode}"


def allowed_bytes(rate, seconds):
    """The most that may be read at a rate: the burst, a tenth of a second's worth, and the rest."""
    return min(rate / 10, 128 * 1024) + rate * seconds


def rate(program, tree):
    """With a rate the sums are the same, and take the time that all bytes together must."""
    names = sorted(f"{tree}/{name}" for name in os.listdir(tree))
    expected = subprocess.run(["sha256sum", *names], check=True, stdout=subprocess.PIPE).stdout
    total = sum(os.path.getsize(name) for name in names)
    for jobs in (1, 4):
        begin = time.monotonic()
        run = subprocess.run([program, "-q", f"-j{jobs}", "--rate", "1M", tree], check=False,
                             capture_output=True, timeout=PATIENCE)
        took = time.monotonic() - begin
        assert (run.returncode, run.stdout, run.stderr) == (0, expected, b""), run
        assert total <= allowed_bytes(1 << 20, took), f"{total} bytes in {took:.3f} s, -j{jobs}"
        print(f"rate: {total} bytes at 1M, -j{jobs}: {took:.3f} s")


def interrupt_rate(program, tree):
    """Ctrl-C does not wait until a worker's turn comes, here a second later, to read a byte."""
    begin = time.monotonic()
    process = start([program, "-q", "-j1", "--rate", "1", tree], stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE)
    until(lambda: f"{tree}/small-000" in open_files(process.pid), "the first file is open")
    signalled = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=PATIENCE)
    end = time.monotonic()
    judge_interrupted(process.returncode, output, errors, expected_lines(tree))
    assert end - signalled < 0.4 * SLOWNESS, f"took {end - signalled} s to stop"
    read = int(INTERRUPTED.search(errors).group(3))
    assert read <= 1 + (end - begin), f"{read} bytes in {end - begin} s"


def spawn_on_terminal(arguments, columns, environment, stdout=None):
    """Run with standard error, and standard output unless given, on a new terminal."""
    try:
        leader, follower = pty.openpty()
    except OSError as error:
        print(f"terminal: skipped, because there is no pseudo terminal to be had ({error})")
        sys.exit(0)
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = start(arguments, stdin=subprocess.DEVNULL, stderr=follower,
                    stdout=follower if stdout is None else stdout,
                    env={**os.environ, **environment})
    os.close(follower)
    return process, leader


def read_terminal(leader, enough):
    """Read until enough(all so far), or to the end."""
    seen = b""
    end = time.monotonic() + PATIENCE
    while not enough(seen):
        if not select.select([leader], [], [], max(0, end - time.monotonic()))[0]:
            raise AssertionError(f"never seen on the terminal; there is {seen[-500:]!r}")
        try:
            data = os.read(leader, 65536)
        except OSError:
            data = b""
        if not data:
            break
        seen += data
    return seen


def screen(data):
    """The lines that are left to see: \\r goes to the start of a line, ESC [K erases its rest."""
    lines, column = [b""], 0
    for token in re.findall(rb"\x1b\[K|\r|\n|[^\x1b\r\n]+", data):
        if token == b"\x1b[K":
            lines[-1] = lines[-1][:column]
        elif token == b"\r":
            column = 0
        elif token == b"\n":
            lines.append(b"")
            column = 0
        else:
            lines[-1] = lines[-1][:column] + token + lines[-1][column + len(token):]
            column += len(token)
    return lines


BAR = re.compile(rb"\r(\[[#-]{10,40}\] )?( *\d+% [^\r\x1b]*)\x1b\[K")
FIGURES = re.compile(rb" *\d+% \d+ of \d+ files( so far)?, "
                     rb"[0-9.]+ [KMGT]?i?B of [0-9.]+ [KMGT]?i?B, "
                     rb"[0-9.]+ [KMGT]?i?B/s, (\d+:)*\d\d left")


def terminal(program, tree):
    """The bar is drawn about ten times a second, fits, leaves the output alone, and goes away."""
    begin = time.monotonic()
    process, leader = spawn_on_terminal([program, tree], 120, {"TERM": "xterm"})
    seen = read_terminal(leader, lambda data: len(BAR.findall(data)) >= 5)
    took = time.monotonic() - begin
    process.send_signal(signal.SIGINT)
    seen += read_terminal(leader, lambda data: False)
    errors_at_end(process)
    assert process.returncode == 130, f"exit status {process.returncode}"
    assert took > 0.3, f"five bars within {took} s"
    for drawn, figures in BAR.findall(seen):
        assert drawn and FIGURES.fullmatch(figures), f"odd bar: {drawn + figures!r}"
        assert len(drawn + figures) < 120, f"too long: {drawn + figures!r}"
    assert b" of 102 files, " in BAR.findall(seen)[-1][1], f"last bar: {BAR.findall(seen)[-1]}"
    lines = screen(seen)
    expected = expected_lines(tree)
    shown = b"".join(line + b"\n" for line in lines[:-2])
    assert shown == expected, f"torn output: {seen[-1000:]!r}"
    assert INTERRUPTED.fullmatch(lines[-2] + b"\n") and lines[-1] == b"", f"left: {lines[-2:]}"


def narrow_terminal(program, tree):
    """On a narrow terminal the line is cut, never wrapped."""
    process, leader = spawn_on_terminal([program, tree], 30, {"TERM": "xterm"}, subprocess.DEVNULL)
    seen = read_terminal(leader, lambda data: len(BAR.findall(data)) >= 2)
    process.send_signal(signal.SIGINT)
    seen += read_terminal(leader, lambda data: False)
    errors_at_end(process)
    assert process.returncode == 130, f"exit status {process.returncode}"
    assert all(not bar and len(text) < 30 for bar, text in BAR.findall(seen)), seen


def rate_on_terminal(program, tree):
    """Many small files that are done are not taken for most of the work: at a low rate that is the
    bytes. The bytes that the bar shows are no more than may be read."""
    begin = time.monotonic()
    process, leader = spawn_on_terminal(
        [program, "-j1", "--rate", "64K", tree + "/counts", tree + "/sizes/0393223"], 120,
        {"TERM": "xterm"}, subprocess.DEVNULL)
    in_large = re.compile(rb" (\d+)% 387 of 388 files, ([0-9.]+) KiB of ")
    seen = read_terminal(leader, in_large.search)
    end = time.monotonic()
    process.send_signal(signal.SIGINT)
    read_terminal(leader, lambda data: False)
    errors_at_end(process)
    percent, kibibytes = map(float, in_large.search(seen).groups())
    assert percent < 40, f"{percent}% of the work: {seen[-200:]!r}"
    assert 1024 * (kibibytes - 0.1) <= allowed_bytes(64 << 10, end - begin), seen[-200:]


def no_bar(program, tree):
    """No bar for a terminal that cannot erase, and none with -q."""
    for option, term in (("-q", "xterm"), ("-j2", "dumb")):
        with tempfile.TemporaryFile() as output:
            process, leader = spawn_on_terminal([program, option, tree], 80, {"TERM": term}, output)
            until(lambda: catches_sigint(process.pid), "SIGINT is caught")
            time.sleep(0.35)  # as long as three bars: what must not come cannot be waited for
            process.send_signal(signal.SIGINT)
            seen = read_terminal(leader, lambda data: False)
            errors_at_end(process)
            assert process.returncode == 130, f"exit status {process.returncode}"
            assert b"%" not in seen and b"\x1b" not in seen, f"a bar: {seen!r}"


def as_nobody(program, tree):
    """A file and a directory that may not be read: two messages, the rest goes on, status 1."""
    for path, mode in (("secret-file", 0o600), ("secret-dir", 0o700)):
        if path.endswith("dir"):
            os.mkdir(f"{tree}/{path}", mode)
        else:
            with open(f"{tree}/{path}", "w", encoding="ascii") as file:
                file.write("secret")
        os.chmod(f"{tree}/{path}", 0o000 if os.getuid() else mode)
    with open(f"{tree}/z-last", "w", encoding="ascii") as file:
        file.write("last")

    def drop():
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)

    try:
        probe = subprocess.run([program, "--version"], preexec_fn=drop, check=False,
                               capture_output=True).returncode
    except PermissionError:
        probe = 1
    if probe != 0:
        print("as_nobody: skipped, because another user cannot run the program")
        return
    run = subprocess.run([program, "-q", tree], preexec_fn=drop, check=False, capture_output=True)
    assert run.returncode == 1, run
    assert run.stderr == (f"treesum: {tree}/secret-dir: Permission denied\n"
                          f"treesum: {tree}/secret-file: Permission denied\n").encode(), run.stderr
    assert run.stdout.endswith(f"  {tree}/z-last\n".encode()) and b"secret" not in run.stdout, run


def changed_files(program, tree):
    """Files that are removed, or become a link or a FIFO, between the walk and the worker."""
    for name in ("b-removed", "c-link", "d-fifo", "e-same"):
        with open(f"{tree}/{name}", "w", encoding="ascii") as file:
            file.write(name)
    with open(f"{tree}/a-large", "wb") as file:
        file.truncate(1 << 30)
    process = start([program, "-q", "-j1", tree], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def stopped_in_large_file():
        process.send_signal(signal.SIGSTOP)
        until(lambda: " T " in open(f"/proc/{process.pid}/stat", encoding="ascii").read(),
              "the program stops")
        inside = f"{tree}/a-large" in open_files(process.pid)
        if not inside:
            process.send_signal(signal.SIGCONT)
        return inside

    until(stopped_in_large_file, "the first file is open")
    for name in ("b-removed", "c-link", "d-fifo"):
        os.remove(f"{tree}/{name}")
    os.symlink("e-same", f"{tree}/c-link")
    os.mkfifo(f"{tree}/d-fifo")
    process.send_signal(signal.SIGCONT)
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, f"exit status {process.returncode}"
    assert errors == (f"treesum: {tree}/b-removed: No such file or directory\n"
                      f"treesum: {tree}/c-link: Too many levels of symbolic links\n"
                      f"treesum: {tree}/d-fifo: no longer a regular file\n").encode(), errors
    assert re.fullmatch(rb".*  .*/a-large\n.*  .*/e-same\n", output), output


def neighbours_at_once(program, tree):
    """Two large files of one batch are hashed at the same time."""
    process = start([program, "-q", "-j2", tree], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    large = {f"{tree}/z-endless-1", f"{tree}/z-endless-2"}
    until(lambda: large <= open_files(process.pid), "both files are open")
    process.send_signal(signal.SIGINT)
    errors_at_end(process)
    assert process.returncode == 130, f"exit status {process.returncode}"


def nobody_listens(program, tree):
    """Standard error is a pipe that nobody reads any more: the run goes on all the same."""
    reader, writer = os.pipe()
    os.close(reader)
    process = start([program, tree + "/missing", tree + "/small-000"], stdout=subprocess.PIPE,
                    stderr=writer)
    output = process.communicate(timeout=PATIENCE)[0]
    os.close(writer)
    assert process.returncode == 1, f"exit status {process.returncode}"
    assert output.endswith(b"/small-000\n"), output


CHECKS = {check.__name__: check for check in (interrupt, interrupt_stuck_pipe, second_signal,
                                              rate, interrupt_rate, rate_on_terminal, terminal,
                                              narrow_terminal, no_bar, as_nobody, changed_files,
                                              neighbours_at_once, nobody_listens)}

if __name__ == "__main__":
    try:
        CHECKS[sys.argv[1]](*sys.argv[2:])
    except AssertionError as failure:
        sys.exit(f"{sys.argv[1]}: {failure}")
    finally:
        for left in STARTED:
            left.kill()
