"""ffi.py - a program in Python that uses contexts, channels and a pool, by the .so alone.
SPDX-License-Identifier: MIT

Usage: ffi.py SHARED_LIBRARY
"""
import ctypes
import errno
import sys
import threading

COUNT = 200
SECOND = 10**9
CANCEL = 1  # CCONC_POOL_CANCEL

lib = ctypes.CDLL(sys.argv[1])
TASK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
SIGNATURES = {
    "chan_new": [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p],
    "chan_send": [ctypes.c_void_p] * 3,
    "chan_recv": [ctypes.c_void_p] * 3,
    "chan_close": [ctypes.c_void_p],
    "chan_free": [ctypes.c_void_p],
    "ctx_with_cancel": [ctypes.c_void_p] * 2,
    "ctx_with_timeout": [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p],
    "ctx_cancel": [ctypes.c_void_p],
    "ctx_err": [ctypes.c_void_p],
    "ctx_wait": [ctypes.c_void_p] * 2,
    "ctx_free": [ctypes.c_void_p],
    "pool_new": [ctypes.c_void_p] * 3,
    "pool_submit": [ctypes.c_void_p, ctypes.c_void_p, TASK, ctypes.c_void_p],
    "pool_submit_future": [ctypes.c_void_p, ctypes.c_void_p, TASK, ctypes.c_void_p,
                           ctypes.c_void_p],
    "pool_shutdown": [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32],
    "pool_wait": [ctypes.c_void_p] * 2,
    "pool_free": [ctypes.c_void_p],
    "future_wait": [ctypes.c_void_p] * 2,
    "future_free": [ctypes.c_void_p],
    "shutdown": [ctypes.c_void_p],
}
NOTHING = ("chan_free", "ctx_free", "pool_free", "future_free")


def call(name, *arguments):
    """The status of cconc_<name>; ctypes lets other threads of Python run meanwhile."""
    function = getattr(lib, "cconc_" + name)
    function.argtypes = SIGNATURES[name]
    function.restype = None if name in NOTHING else ctypes.c_int
    return function(*arguments)


def make(name, *arguments):
    """The object that cconc_<name> writes to its last argument."""
    out = ctypes.c_void_p()
    expect(call(name, *arguments, ctypes.byref(out)), 0, name)
    return out


def expect(found, wanted, what):
    if found != wanted:
        sys.exit(f"{what}: {found}, not {wanted}")


def check_contexts():
    parent = make("ctx_with_cancel", None)
    child = make("ctx_with_timeout", parent, 3600 * SECOND)
    expect(call("ctx_err", child), 0, "err of a context that goes on")
    call("ctx_cancel", parent)
    expect(call("ctx_err", child), errno.ECANCELED, "err of the child of a cancelled context")
    call("ctx_free", child)
    call("ctx_free", parent)
    short = make("ctx_with_timeout", None, 1)
    expect(call("ctx_wait", short, None), 0, "wait for the end of a context")
    expect(call("ctx_err", short), errno.ETIMEDOUT, "err after the deadline")
    call("ctx_free", short)


def check_channel():
    """Elements keep their order from one thread of Python to another, until the channel closes."""
    chan = make("chan_new", ctypes.sizeof(ctypes.c_int), 4)
    statuses = []

    def send():
        for number in range(COUNT):
            statuses.append(call("chan_send", chan, None, ctypes.byref(ctypes.c_int(number))))
        call("chan_close", chan)

    sender = threading.Thread(target=send)
    sender.start()
    number, received = ctypes.c_int(), []
    while call("chan_recv", chan, None, ctypes.byref(number)) == 0:
        received.append(number.value)
    sender.join()
    expect(received, list(range(COUNT)), "what was received")
    expect(set(statuses), {0}, "what sends returned")
    call("chan_free", chan)


def check_pool():
    """Functions of Python run in threads of the pool; a wait in one ends with the context."""
    ctx = make("ctx_with_cancel", None)
    pool = make("pool_new", ctx, None)
    ran = []
    append = TASK(lambda _, arg: ran.append(arg or 0) or 0)
    for number in range(COUNT):
        expect(call("pool_submit", pool, None, append, number), 0, "submit")
    expect(call("pool_wait", pool, None), 0, "wait of the pool")
    expect(sorted(ran), list(range(COUNT)), "what has run")
    empty = make("chan_new", 1, 0)
    byte = ctypes.c_char()
    blocked = TASK(lambda task_ctx, _: call("chan_recv", empty, task_ctx, ctypes.byref(byte)))
    future = make("pool_submit_future", pool, None, blocked, None)
    call("ctx_cancel", ctx)
    expect(call("future_wait", future, None), errno.ECANCELED, "code of a cancelled task")
    call("future_free", future)
    expect(call("pool_shutdown", pool, None, CANCEL), 0, "shutdown of the pool")
    call("pool_free", pool)
    call("chan_free", empty)
    call("ctx_free", ctx)


def main():
    check_contexts()
    check_channel()
    check_pool()
    expect(call("shutdown", None), 0, "shutdown")


if __name__ == "__main__":
    main()
