# SPDX-License-Identifier: Apache-2.0
"""One scenario's world: the kit's rig, with dice from the seed, gateways that are killed often, links
that come and go, a disk and a clock that lie when told, and a plan of what was done to them."""
import collections
import os
import random
import struct
import subprocess
import threading
import time

from kit.gateway import Gateway
from kit.proxy import Proxy
from kit.rig import Rig
from kit.waiting import free_port, require, until

HERE = os.path.dirname(os.path.abspath(__file__))
READY = b"gateway ready"


class Subject(Gateway):
    """A gateway with a store of its own, where the run is about one."""

    def __init__(self, world, config, name, store=None, settings=""):
        self.world = world
        self.store = store or os.path.join(world.folder, name + ".store")
        if world.stored:
            settings += f"  store: {{ path: {self.store}, sync: {world.options.sync}, size: 4GiB }}\n"
        super().__init__(world.shared.build, world.folder, config, name, settings)
        self.kills = self.started_at = 0
        self.disk = os.path.join(world.folder, name + ".disk")
        self.clock = os.path.join(world.folder, name + ".clock")
        self.from_byte = 0

    def shim(self, *names):
        """disk, clock: what the process then believes of them is up to this object."""
        self.set_clock(0)
        preload = [self.build.env["LD_PRELOAD"]] if "LD_PRELOAD" in self.build.env else []
        preload += [self.world.shim(name) for name in names]
        self.process.env.update(LD_PRELOAD=":".join(preload), FAULTS_DISK=self.disk,
                                FAULTS_DISK_BELOW=self.store, FAULTS_CLOCK=self.clock)
        return self

    def set_clock(self, off_s):
        """In place: the process has the file mapped."""
        with open(self.clock, "r+b" if os.path.exists(self.clock) else "wb") as out:
            out.write(struct.pack("=q", off_s))

    def break_disk(self, *lines):
        with open(self.disk + ".new", "w", encoding="ascii") as out:
            out.write("".join(line + "\n" for line in lines))
        os.rename(self.disk + ".new", self.disk)

    def mend_disk(self):
        if os.path.exists(self.disk):
            os.unlink(self.disk)

    def begin(self):
        """Starts without waiting."""
        self.from_byte = os.path.getsize(self.process.log) if os.path.exists(self.process.log) else 0
        self.started_at = time.monotonic()
        self.process.start()
        self.lives += 1

    def is_ready(self):
        with open(self.process.log, "rb") as log:
            log.seek(self.from_byte)
            return READY in log.read()

    def start(self, wait=True):
        self.begin()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, every_s=0.005, timeout_s=60):
        """→ seconds since it was started."""
        until(lambda: self.is_ready() or not self.process.alive(),
              lambda: "the gateway is ready:\n" + self.process.tail(), timeout_s, every_s)
        require(self.is_ready(), lambda: "the gateway ended at once:\n" + self.process.tail())
        return time.monotonic() - self.started_at

    def kill(self):
        super().kill()
        self.kills += 1
        self.world.counts["kills of a gateway"] += 1

    def memory_kib(self):
        """Resident memory, and the part of it that is the process's own (not files mapped)."""
        found = {}
        with open(f"/proc/{self.process.pid}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                key, _, value = line.partition(":")
                if key in ("VmRSS", "RssAnon"):
                    found[key] = int(value.split()[0])
        return found["VmRSS"], found["RssAnon"]


class Link:
    """A port that a gateway connects to, and what the network does between it and a broker."""

    def __init__(self, target_port, up=True):
        self.target_port, self.port = target_port, free_port()
        self.proxy = Proxy(target_port, self.port) if up else None

    def up(self):
        self.proxy = Proxy(self.target_port, self.port)

    def down(self):
        """Connections are reset, new ones refused."""
        self.proxy.close()
        self.proxy = None

    def mode(self, mode):
        self.proxy.mode = mode

    def cut(self):
        self.proxy.cut()

    def close(self):
        if self.proxy:
            self.proxy.close()


class Sampler(threading.Thread):
    """Reads a gateway's memory each second until told to end."""

    def __init__(self, gateway, every_s=1.0):
        super().__init__(daemon=True)
        self.gateway, self.every_s, self.samples, self.over = gateway, every_s, [], threading.Event()
        self.begun = time.monotonic()
        self.start()

    def run(self):
        while not self.over.wait(self.every_s):
            try:
                self.samples.append((time.monotonic() - self.begun, *self.gateway.memory_kib()))
            except (OSError, KeyError):  # it has ended; others will say so
                return

    def stop(self):
        self.over.set()
        self.join()
        return self.samples


class World(Rig):
    def __init__(self, shared, scenario, options):
        super().__init__(shared, scenario.name)
        self.options, self.scenario = options, scenario
        self.stored = options.guarantee == "stored"
        self.dice = self.dice_for("plan")
        self.cycles = max(scenario.least, round(options.cycles * scenario.share))
        self.counts = collections.Counter()  # of what was done, over the run
        self.plan = open(os.path.join(self.folder, "plan.txt"), "w", encoding="utf-8")
        self.begun = time.monotonic()

    def dice_for(self, word):
        """Of their own for each thread, so that the plan does not depend on who throws first."""
        return random.Random(f"{self.options.seed}/{self.name}/{word}")

    def do(self, text):
        """Notes what is about to be done."""
        self.plan.write(f"{time.monotonic() - self.begun:9.3f} {text}\n")
        self.plan.flush()

    def pause(self, least_s, most_s=None):
        """The moments of faults are random: this paces them, and waits for nothing."""
        time.sleep(least_s if most_s is None else self.dice.uniform(least_s, most_s))

    def sized(self, quick, usual, big):
        return {"quick": quick, "": usual, "big": big}[self.options.events]

    def shim(self, name):
        path = os.path.join(self.shared.folder, f"shim_{name}.so")
        if not os.path.exists(path):
            subprocess.run(["gcc", "-shared", "-fPIC", "-O1", os.path.join(HERE, f"shim_{name}.c"), "-o",
                            path, "-ldl"], check=True)
        return path

    def subject(self, config, name="gw", **named):
        gateway = Subject(self, config, name, **named)
        self.gateways.append(gateway)
        self.ends.append(gateway)
        return gateway

    def link(self, port, up=True):
        return self.own(Link(port, up))

    def sampler(self, gateway, every_s=1.0):
        return Sampler(gateway, every_s)

    def small_disk(self, mib):
        """→ a folder of that size; None: nothing can be mounted here."""
        folder = os.path.join(self.folder, "disk")
        os.makedirs(folder)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "meshgate-faults", folder]
        if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
            return None
        self.ends.append(_Mounted(folder))
        return folder

    def plan_tail(self, lines=15):
        with open(self.plan.name, encoding="utf-8") as plan:
            return "".join(plan.readlines()[-lines:])

    def close(self):
        trouble = super().close()
        self.plan.close()
        return trouble


class _Mounted:
    def __init__(self, folder):
        self.folder = folder

    def close(self):
        subprocess.run(["umount", "-l", self.folder], check=True, capture_output=True)
