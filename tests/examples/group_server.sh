#!/bin/sh
# group_server.sh - requests in flight survive a SIGTERM, within the time to drain
# SPDX-License-Identifier: MIT
exec timeout 100 python3 - "$1" <<'END'
import atexit
import signal
import socket
import subprocess
import sys

PROGRAM = sys.argv[1]
PATIENCE_S = 30


def body(lines):
    return "".join(f"line {i:04d} of {lines:04d}\n" for i in range(1, lines + 1))


class Server:
    def __init__(self, drain_ms):
        self.process = subprocess.Popen([PROGRAM, "0", str(drain_ms)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        line = self.process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:"), line
        self.port = int(line.rsplit(":", 1)[1])

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def request(self, path):
        """Send a request; give the socket and its answer as a file, head still unread."""
        client = self.connect()
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return client, client.makefile("r", newline="\n")

    def signal(self, number, name):
        self.process.send_signal(number)
        line = self.process.stdout.readline()
        assert line == f"{name} signal received, draining\n", line

    def until_refused(self):
        while True:
            try:
                self.connect().close()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                pass

    def end(self, status, summary):
        """Assert how the server ends."""
        found = (self.process.stdout.read(), self.process.stderr.read(), self.process.wait())
        assert found == (summary, "", status), found


def read_head(answer, lines):
    assert answer.readline() == "HTTP/1.0 200 OK\r\n"
    assert answer.readline() == f"Content-Length: {len(body(lines))}\r\n"
    assert answer.readline() == "\r\n"


def every_client_is_answered_although_they_are_more_than_the_limit():
    server = Server(5000)
    answers = [server.request("/slow/3")[1] for _ in range(100)]
    for answer in answers:
        read_head(answer, 3)
        assert answer.read() == body(3)
    server.signal(signal.SIGINT, "interrupt")
    server.end(0, "100 served, 0 cut off\n")


def a_request_in_flight_is_completed_after_sigterm():
    server = Server(PATIENCE_S * 1000)
    idle = server.connect()
    client, answer = server.request("/slow/25")
    read_head(answer, 25)
    first = answer.readline()
    server.signal(signal.SIGTERM, "terminated")
    server.until_refused()
    assert idle.recv(1) == b"", "who has not asked yet is let go"
    assert first + answer.read() == body(25)
    server.end(0, "1 served, 0 cut off\n")


def the_end_of_the_drain_time_cuts_off_what_still_runs():
    server = Server(50)
    client, answer = server.request("/slow/9999")
    read_head(answer, 9999)
    server.signal(signal.SIGTERM, "terminated")
    assert body(9999).startswith(answer.read())
    server.end(1, "0 served, 1 cut off\n")


def a_client_that_leaves_harms_nobody():
    server = Server(5000)
    client, answer = server.request("/slow/9999")
    read_head(answer, 9999)
    answer.close()
    client.close()
    client, answer = server.request("/")
    read_head(answer, 1)
    assert answer.read() == body(1)
    server.signal(signal.SIGTERM, "terminated")
    server.end(0, "2 served, 0 cut off\n")


def a_second_signal_ends_the_process_at_once():
    server = Server(PATIENCE_S * 1000)
    client, answer = server.request("/slow/9999")
    read_head(answer, 9999)
    server.signal(signal.SIGTERM, "terminated")
    server.process.send_signal(signal.SIGTERM)
    server.end(128 + signal.SIGTERM, "")


def wrong_arguments_are_refused():
    for arguments in (["-1"], ["65536"], ["0", "-1"], ["0", "0", "0"]):
        run = subprocess.run([PROGRAM] + arguments, capture_output=True, text=True, check=False)
        assert run.returncode == 2 and run.stderr.startswith("usage:"), (arguments, run)


for test in (every_client_is_answered_although_they_are_more_than_the_limit,
             a_request_in_flight_is_completed_after_sigterm,
             the_end_of_the_drain_time_cuts_off_what_still_runs,
             a_client_that_leaves_harms_nobody,
             a_second_signal_ends_the_process_at_once,
             wrong_arguments_are_refused):
    test()
    print("ok", test.__name__)
END
