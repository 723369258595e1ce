#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The disk and the clock that lie when told, seen by a process that runs on them."""
import errno
import os
import struct
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
CHILD = """
import os, sys, time
def tried(call):
    try:
        call()
        return 0
    except OSError as error:
        return error.errno
for line in sys.stdin:
    if line == "time\\n":
        print(time.time(), time.clock_gettime(time.CLOCK_MONOTONIC), flush=True)
    else:
        fd = os.open(line.strip(), os.O_RDWR | os.O_CREAT)
        print(*[tried(call) for call in (lambda: os.fsync(fd), lambda: os.fdatasync(fd),
              lambda: os.pwrite(fd, b"x", 0), lambda: os.write(fd, b"y"), lambda: os.writev(fd, [b"z"]),
              lambda: os.pwritev(fd, [b"z"], 3))], os.fstat(fd).st_size, flush=True)
        os.close(fd)
"""


class Child:
    def __init__(self, folder, shim, **env):
        library = os.path.join(folder, "shim.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror",
                        os.path.join(HERE, f"shim_{shim}.c"), "-o", library, "-ldl"], check=True)
        self.process = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, LD_PRELOAD=library, **env))

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def end(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


class Shims(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="shims-")
        self.addCleanup(subprocess.run, ["rm", "-r", self.folder], check=True)

    def test_the_disk_fails_below_the_folder_while_told(self):
        below, told = os.path.join(self.folder, "store"), os.path.join(self.folder, "told")
        os.makedirs(below)
        child = Child(self.folder, "disk", FAULTS_DISK=told, FAULTS_DISK_BELOW=below)
        self.addCleanup(child.end)
        inside, outside = os.path.join(below, "f"), os.path.join(self.folder, "f")
        self.assertEqual(child.ask(inside), ["0"] * 6 + ["4"])
        os.unlink(inside)
        with open(told, "w", encoding="ascii") as out:
            out.write(f"sync {errno.EIO}\nwrite {errno.ENOSPC}\n")
        self.assertEqual(child.ask(inside), [str(errno.EIO)] * 2 + [str(errno.ENOSPC)] * 4 + ["0"])
        self.assertEqual(child.ask(outside), ["0"] * 6 + ["4"])
        with open(told, "w", encoding="ascii") as out:
            out.write(f"sync {errno.EIO}\n")
        self.assertEqual(child.ask(inside), [str(errno.EIO)] * 2 + ["0"] * 4 + ["4"])
        os.unlink(told)
        self.assertEqual(child.ask(inside), ["0"] * 6 + ["4"])

    def test_the_wall_clock_is_off_and_no_other(self):
        offset = os.path.join(self.folder, "offset")
        for off_s in (0, 86400, -86400):
            with open(offset, "wb") as out:
                out.write(struct.pack("=q", off_s))
            child = Child(self.folder, "clock", FAULTS_CLOCK=offset)
            try:
                wall, monotonic = map(float, child.ask("time"))
                self.assertLess(abs(wall - time.time() - off_s), 60)
                self.assertLess(abs(monotonic - time.clock_gettime(time.CLOCK_MONOTONIC)), 60)
                with open(offset, "r+b") as out:
                    out.write(struct.pack("=q", 3600))
                self.assertLess(abs(float(child.ask("time")[0]) - time.time() - 3600), 60)
            finally:
                child.end()


def main():
    result = unittest.TextTestRunner(verbosity=0).run(
        unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__]))
    failed = len(result.failures) + len(result.errors)
    print(f"faults-shims: {result.testsRun - failed} passed, {failed} failed", flush=True)
    return 0 if result.testsRun and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
