# SPDX-License-Identifier: Apache-2.0
"""A meshgate process under test: its configuration, its log, its ledger."""
import glob
import json
import os
import subprocess

from .process import Process
from .waiting import PATIENCE, Failure, require, until

PARTS = ("delivered", "dropped", "expired", "discarded", "returned", "duplicates", "dead_lettered", "in_flight",
         "stored")


class Build:
    """Where the binaries are: a meson build folder or an installed prefix."""

    def __init__(self, folder):
        self.folder = folder
        self.binary = os.path.join(folder, "gateway", "meshgate")
        require(os.path.exists(self.binary), f"{self.binary} is not there: build it first")
        modules = sorted({os.path.dirname(path)
                          for kind in ("bridges", "plugins")
                          for path in glob.glob(os.path.join(folder, kind, "*", "*.so"))})
        self.env = {"MESHGATE_MODULES": ":".join(modules)}
        if os.environ.get("MESH_PRELOAD"):
            self.env["LD_PRELOAD"] = os.environ["MESH_PRELOAD"]
        with open(self.binary, "rb") as binary:
            self.sanitized = b"__asan_init" in (text := binary.read()) or b"__tsan_init" in text


class Gateway:
    def __init__(self, build, folder, config, name="gw", settings=""):
        """config: the YAML of bridges and routes; the gateway section is written here."""
        self.build = build
        self.name = name
        self.config = os.path.join(folder, f"{name}.yaml")
        self.control = os.path.join(folder, f"{name}.sock")
        self.settings = settings
        self.rewrite(config)
        self.process = Process([build.binary, "run", "-c", self.config],
                               os.path.join(folder, f"{name}.log"), build.env)
        self.lives = 0

    def rewrite(self, config):
        """For the next start."""
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(f"gateway:\n  name: {self.name}\n  control: {self.control}\n"
                      f"  log: {{ level: {os.environ.get('MESH_LOG', 'info')} }}\n{self.settings}\n{config}\n")

    def start(self, wait=True):
        seen = self.process.text().count("gateway ready")
        self.process.start()
        self.lives += 1
        if wait:
            until(lambda: self.process.text().count("gateway ready") > seen or not self.process.alive(),
                  lambda: "the gateway is ready:\n" + self.process.tail())
            require(self.process.alive(), lambda: "the gateway ended at once:\n" + self.process.tail())
        return self

    def command(self, *arguments, check=True, stdin=None):
        done = subprocess.run([self.build.binary, *map(str, arguments)], capture_output=True,
                              text=True, timeout=30 * PATIENCE, input=stdin, check=False,
                              env=dict(os.environ, **self.build.env))
        if check and done.returncode != 0:
            raise Failure(f"meshgate {' '.join(map(str, arguments))}: exit {done.returncode}\n"
                          f"{done.stdout}{done.stderr}")
        return done

    def check(self):
        return self.command("check", "-c", self.config)

    def ledger(self):
        return json.loads(self.command("ledger", "-c", self.config, "--json").stdout)

    def route(self, name=None):
        """One route's line of the ledger (the only one, where no name is given)."""
        routes = self.ledger()["routes"]
        for route in routes:
            if name is None or route["route"] == name:
                return route
        raise Failure(f"no route {name!r} in the ledger: {routes}")

    def status(self):
        return self.command("status", "-c", self.config, "--json", check=False)

    def up(self, bridge=None):
        """Are all connections (of one bridge) up?"""
        bridges = [b for b in self.ledger()["bridges"] if bridge in (None, b["bridge"])]
        return bool(bridges) and all(c["up"] for b in bridges for c in b["connections"])

    def wait_up(self, bridge=None, timeout_s=20):
        until(lambda: self.up(bridge), lambda: f"bridges are up: {self.ledger()['bridges']}",
              timeout_s, 0.1)

    def balanced(self):
        ledger = self.ledger()
        for route in ledger["routes"]:
            total = sum(route.get(part, 0) for part in PARTS)
            require(route["balanced"] and route["received"] == total,
                    f"the ledger of {route['route']} does not balance: {route}")
        return ledger

    def settled(self, timeout_s=20):
        """Waits until nothing is in flight, then the ledger must balance."""
        until(lambda: all(r["in_flight"] == 0 for r in self.ledger()["routes"]),
              lambda: f"everything settles: {self.ledger()['routes']}", timeout_s, 0.1)
        return self.balanced()

    def kill(self):
        self.process.kill()

    def term(self, timeout_s=20):
        code = self.process.term(timeout_s)
        require(code == 0, f"exit status {code} on SIGTERM:\n{self.process.tail()}")

    def log(self):
        return self.process.text()

    def problems(self):
        """What a sanitizer said."""
        text = self.process.text()
        for mark in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
                     "WARNING: ThreadSanitizer"):
            if mark in text:
                return text[text.index(mark) - 200 if text.index(mark) > 200 else 0:][:8000]
        return ""
