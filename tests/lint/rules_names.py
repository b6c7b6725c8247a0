"""rules_names.py - L7 names exist: functions, files and record numbers that comments speak of.
SPDX-License-Identifier: MIT
"""
import re

from csource import prototypes

NAME = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(\*?)\(\)")
FILE = re.compile(r"(?<![\w<./-])((?:[\w-]+/)*[\w-]+\.(?:c|h|py|sh|md))\b(?![./]\w)")
RECORD = re.compile(r"\((0\d{3})\)|\brecord (\d{4})\b")

# Functions that are not ours and that comments may name: libc, POSIX, and Go's, which start large.
FOREIGN = set("""
abort accept assert atexit bsearch calloc clock_gettime clock_nanosleep close dlclose dlopen
epoll_wait errno execve exit exec _exit fdopendir fork fprintf fread free fstat futex fwrite
getline isatty kill longjmp lstat main malloc memcpy memmove memset mmap munmap nanosleep open
openat pause pipe poll posix_fadvise printf pselect qsort raise read readdir realloc realpath
recv sched_getaffinity sched_yield select send setjmp setrlimit sigaction sigprocmask sigwait
sleep snprintf strcmp strerror strlen system time usleep vsnprintf wait waitpid write
static_assert fn
""".split())
FOREIGN_PREFIXES = re.compile(r"^(pthread_|sem_|EVP_|epoll_|_?sig[a-z]+$|[A-Z][a-z])")

SYSTEM_HEADERS = set("""
assert.h cmocka.h dirent.h dlfcn.h errno.h fcntl.h inttypes.h limits.h poll.h pthread.h sched.h
semaphore.h setjmp.h signal.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h
stdlib.h string.h sys/eventfd.h sys/mman.h sys/resource.h sys/stat.h sys/types.h sys/wait.h
threads.h time.h unistd.h
""".split())


def check_l7(tree):
    names = known_names(tree)
    for source in tree.c_files("include", "src", "tests", "examples"):
        for comment in source.comments:
            for offset, text in enumerate(comment.lines):
                check_text(tree, source, comment.first + offset, text, names)
    check_documents(tree, names)


def check_text(tree, source, line, text, names):
    for match in NAME.finditer(text):
        name = match.group(1)
        if not is_known(name, match.group(2), names):
            tree.report("L7", source, line, f"{match.group()} is nowhere in the tree")
    check_files(tree, source, line, text)


def check_files(tree, source, line, text):
    for name in FILE.findall(text):
        if name not in SYSTEM_HEADERS and not has_file(tree, source, name):
            tree.report("L7", source, line, f"{name} is no file of the tree")
    for numbers in RECORD.findall(text):
        number = numbers[0] or numbers[1]
        if not any(path.startswith(f"docs/design/{number}-") for path in tree.sources):
            tree.report("L7", source, line, f"there is no decision record {number}")


def check_documents(tree, names):
    """The documents name public functions in full, and files."""
    for source in tree.sources.values():
        is_document = source.path.endswith(".md") and not source.path.startswith("docs/design/")
        if not is_document or source.path == "CHANGELOG.md":
            continue
        for number, text in enumerate(source.lines, 1):
            for name in re.findall(r"\b(cconc_\w+)\(", text):
                if name not in names:
                    tree.report("L7", source, number, f"{name}() is nowhere in the tree")
            if source.path.startswith("docs/"):
                check_files(tree, source, number, text)


def known_names(tree):
    """Every function-like name of the tree, in full and without the prefix of its file or noun."""
    full = set()
    bases = set()
    for source in tree.c_files("include", "src", "tests", "examples"):
        bases.add(source.base())
        full |= {f.name for f in source.functions} | source.macros | prototypes(source)
    short = set(full)
    for name in full:
        stem = re.sub(r"^(cconc__|cconc_|plat_)", "", name)
        parts = stem.split("_")
        short.add(stem)
        for count in range(1, len(parts)):
            if "_".join(parts[:count]) in bases:
                short.add("_".join(parts[count:]))
    return short


def is_known(name, star, names):
    """With a star the name is the start of a family: try_*() stands for try_send, try_recv."""
    if star:
        return any(known.startswith(name) for known in names)
    return name in names or name in FOREIGN or bool(FOREIGN_PREFIXES.match(name))


def has_file(tree, source, name):
    """A file may be named by its path, or by the end of its path."""
    beside = source.folder() + "/" + name
    return beside in tree.sources or any(("/" + p).endswith("/" + name) for p in tree.sources)
