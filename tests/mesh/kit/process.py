# SPDX-License-Identifier: Apache-2.0
"""A child process in a session of its own, its output in a file, always ended with the test."""
import ctypes
import os
import signal
import subprocess

from .waiting import Failure, until

_libc = ctypes.CDLL(None, use_errno=True)


def _end_with_parent():
    # A killed test run must not leave brokers behind.
    _libc.prctl(1, signal.SIGTERM)


class Process:
    def __init__(self, arguments, log, env=None, cwd=None):
        self.arguments = [str(a) for a in arguments]
        self.log = log
        self.env = dict(os.environ, **(env or {}))
        self.cwd = cwd
        self.child = None

    def start(self):
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env=self.env, cwd=self.cwd, start_new_session=True, preexec_fn=_end_with_parent)
        return self

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def text(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def tail(self, lines=60):
        return "\n".join(self.text().splitlines()[-lines:])

    def signal(self, number):
        if self.alive():
            os.kill(self.pid, number)

    def kill(self):
        """SIGKILL for the process and what it started."""
        if self.child is None:
            return
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()

    def term(self, timeout_s=15):
        """SIGTERM; the exit status.  One that does not end in time is a failure (and is killed)."""
        if self.child is None:
            return 0
        self.signal(signal.SIGTERM)
        try:
            until(lambda: self.child.poll() is not None, f"{self.arguments[0]} ends on SIGTERM",
                  timeout_s)
        except Failure:
            self.kill()
            raise
        return self.child.returncode

    def rss_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        return 0
