# SPDX-License-Identifier: Apache-2.0
"""Waiting for conditions with a deadline, free ports, and failures that say what was awaited."""
import errno
import os
import random
import socket
import time

# A sanitized gateway is several times slower: one factor stretches every deadline.
PATIENCE = float(os.environ.get("MESH_PATIENCE", "1"))


class Failure(AssertionError):
    """A test's expectation that did not hold."""


def require(condition, what):
    if not condition:
        raise Failure(what() if callable(what) else what)


def until(condition, what, timeout_s=20.0, every_s=0.02):
    """Returns the first true answer of condition; fails with `what` (text or callable) in time."""
    deadline = time.monotonic() + timeout_s * PATIENCE
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failure(f"not within {timeout_s * PATIENCE:g} s: {what() if callable(what) else what}")
        time.sleep(every_s)


_given = set()


def free_port():
    """A loopback port outside the ephemeral range that nobody listens on now, and that this run has not
    given out before: a broker that is down for a while finds its ports again."""
    for _ in range(200):
        port = random.randint(20000, 32000)
        if port not in _given and all(_free(*place, port) for place in (
                (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))):
            _given.add(port)
            return port
    raise RuntimeError("no free port")


def _free(family, address, port):
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
            return True
    except OSError as error:
        return error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # no IPv6 here


def connectable(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
