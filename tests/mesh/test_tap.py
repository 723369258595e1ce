# SPDX-License-Identifier: Apache-2.0
"""meshgate tap: what it shows, what reads it, and that it never holds up an event."""
import json
import os
import socket
import subprocess

from kit.config import bridge
from kit.suite import test
from kit.waiting import require, until

CONFIG = """
routes:
  hot:
    from: {{ bridge: a, topic: "plant/{{line}}/{{machine}}", qos: 1 }}
    steps:
      - filter: {{ type: changed, value: t, deadband: {deadband} }}
    to: {{ bridge: b, topic: "hot/{{line}}/{{machine}}", qos: 1 }}
  other:
    from: {{ bridge: a, topic: "other/#", qos: 1 }}
    to: {{ bridge: b, topic: "other", qos: 1 }}
"""
KEPT = {"clean_start": "false", "session_expiry": "1d"}


def gateway(rig, deadband=0, name="gw", start=True):
    a, b = (rig.brokers + [None] * 2)[:2]
    a, b = a or rig.mosquitto("a"), b or rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + bridge("a", a, **KEPT) + bridge("b", b) + CONFIG.format(deadband=deadband), name=name,
                     start=start)
    if start:
        gw.wait_up()
    return gw


class Tap:
    """A tap at work: events of `knock` are published until it shows the first."""

    def __init__(self, gw, path, *arguments):
        self.path = path
        self.process = subprocess.Popen(
            [gw.build.binary, "tap", "-c", gw.config, "--out", path, *arguments], stderr=subprocess.PIPE, text=True,
            env=dict(os.environ, **gw.build.env))

    def lines(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path, encoding="utf-8") as shown:
            return [json.loads(line) for line in shown.read().splitlines(True) if line.endswith("\n")]

    def knock(self, pub, topic):
        until(lambda: (pub.publish(topic, b"{}"), self.lines())[1], f"the tap shows {topic}")

    def end(self):
        said = self.process.communicate(timeout=60)[1]
        require(self.process.returncode == 0, f"exit {self.process.returncode}: {said}")
        return said


@test
def what_it_records_is_what_came_and_what_went(rig):
    gw = gateway(rig)
    pub = rig.publisher(rig.brokers[0].port)
    taken, sent = Tap(gw, f"{rig.folder}/in"), Tap(gw, f"{rig.folder}/out", "--point", "out", "--route", "hot")
    taken.knock(pub, "other/x")
    sent.knock(pub, "plant/a/knock")
    for i in range(20):
        pub.publish("plant/a/m1", json.dumps({"t": i // 2}).encode())
    until(lambda: len([e for e in taken.lines() if e["message"]["address"] == "plant/a/m1"]) == 20, "all came")
    until(lambda: [e["message"]["payload"] for e in sent.lines() if e["message"]["address"] == "hot/a/m1"]
          == [f'{{"t": {i}}}' for i in range(10)], lambda: f"what went: {sent.lines()}")
    require({e["bridge"] for e in taken.lines()} == {"a"}, "where it came in")
    require({(e["bridge"], e["route"]) for e in sent.lines()} == {("b", "hot")}, "where it went out")
    for tap in (taken, sent):
        tap.process.send_signal(2)
        require("went by unseen" not in tap.end(), "nothing was missed")


@test
def diff_and_a_file_bridge_read_what_it_records(rig):
    gw, changed = gateway(rig), gateway(rig, deadband=5, name="changed", start=False)
    pub = rig.publisher(rig.brokers[0].port)
    tap = Tap(gw, f"{rig.folder}/in.ndjson", "--route", "hot")
    tap.knock(pub, "plant/a/knock")
    for i in range(10):
        pub.publish("plant/a/m1", json.dumps({"t": i}).encode())
    until(lambda: len([e for e in tap.lines() if e["message"]["address"] == "plant/a/m1"]) == 10, "all came")
    tap.process.send_signal(2)
    tap.end()
    same = gw.command("diff", gw.config, gw.config, "--events", tap.path)
    require(" 0 differ" in same.stdout, same.stdout)
    done = gw.command("diff", gw.config, changed.config, "--events", tap.path, check=False)
    require(done.returncode == 1 and "now dropped by filter:changed (route hot)" in done.stdout, done.stdout)

    flat = Tap(gw, f"{rig.folder}/flat.ndjson", "--flat", "--count", "3")
    pub_until = iter(range(1000))
    until(lambda: (pub.publish("other/y", str(next(pub_until)).encode()), flat.process.poll() is not None)[1], "three")
    require("3 events" in flat.end(), "it ends after three")
    out = rig.subscriber(rig.brokers[1].port, "again/#")
    reader = rig.gateway("bridges:\n" + bridge("b", rig.brokers[1]) + f"""
  disk: {{ type: file, folder: {rig.folder} }}
routes:
  read:
    from: {{ bridge: disk, topic: "other/{{x}}", path: flat.ndjson, format: ndjson }}
    to: {{ bridge: b, topic: "again/{{x}}", qos: 1 }}
""", name="reader", start=False)
    reader.start()
    out.wait(3)
    require({m.topic for m in out.messages} == {"again/y"}, f"{out.messages}")


@test
def a_tap_that_nobody_reads_holds_nobody_up(rig):
    gw = gateway(rig)
    pub, out = rig.publisher(rig.brokers[0].port), rig.subscriber(rig.brokers[1].port, "other")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sleeper:
        sleeper.connect(gw.control)
        sleeper.sendall(b'{"op":"tap","rate":0}\n')
        sleeper.settimeout(30)
        sleeper.recv(1)  # it is at work: the first progress has come
        for _ in range(300):
            pub.publish("other/x", b"x" * 100_000)
        out.wait(300)
        gw.settled()
        text, missed, seen = b"", 0, 0
        while missed == 0:
            text += sleeper.recv(1 << 20)
            *lines, text = text.split(b"\n")
            seen += sum(b'"message"' in line for line in lines)
            missed += sum(json.loads(line)["missed"] for line in lines if line.startswith(b'{"missed"'))
        require(0 < missed < 300 and seen > 0, f"{seen} were seen, {missed} counted as missed")
    require(gw.ledger()["balanced"], f"{gw.ledger()}")


@test
def it_says_what_is_wrong(rig):
    gw = gateway(rig)
    for arguments, says in ((("--route", "hoot"), 'there is no route "hoot"'), (("--bridge", "c"), 'no bridge "c"'),
                            (("--point", "up"), "point is in or out"), (("--count", "x"), "--count takes a number")):
        done = gw.command("tap", "-c", gw.config, *arguments, check=False)
        require(done.returncode != 0 and says in done.stderr, f"{arguments}: {done}")
    done = gw.command("tap", "-c", gw.config, "--seconds", "1")
    require(done.stdout == "", f"nothing passed: {done}")
    gw.term()
    done = gw.command("tap", "-c", gw.config, check=False)
    require(done.returncode == 2 and gw.control in done.stderr, f"nobody answers: {done}")
