# SPDX-License-Identifier: Apache-2.0
"""Clients that share no code with the gateway: mosquitto_pub/sub, MQTT.js, rhea."""
import json
import os
import subprocess

from kit.config import bridge, rabbit
from kit.process import Process
from kit.suite import test
from kit.waiting import require, until

NODE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")


def node(rig, script, *arguments):
    """Starts a script of node/ and waits for its first line, "ready"."""
    process = Process(["node", os.path.join(NODE, script), *arguments],
                      os.path.join(rig.folder, f"{script}-{len(rig.ends)}.out"))
    rig.own(process)
    process.start()
    until(lambda: "ready" in process.text() or not process.alive(), lambda: process.tail())
    require("ready" in process.text(), f"node {script}:\n{process.tail()}")
    return process


def lines(process):
    return [json.loads(line) for line in process.text().splitlines() if line.startswith("{")]


@test
def mosquitto_pub_to_rhea(rig):
    a, q = rig.mosquitto(), rig.rabbitmq
    queue = rig.unique("rhea")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + rabbit("q", q) + f"""
routes:
  up:
    from: {{ bridge: a, topic: "plant/{{machine}}", qos: 1 }}
    to: {{ bridge: q, address: "/queue/{queue}" }}
    delivery: {{ guarantee: best-effort }}
""")
    gw.wait_up()
    out = node(rig, "rhea.js", "receive", q.port, f"/queue/{queue}")
    subprocess.run(["mosquitto_pub", "-V", "5", "-p", str(a.port), "-h", "127.0.0.1", "-q", "1", "-t", "plant/m1",
                    "-m", "21.5", "-D", "publish", "user-property", "unit", "C",
                    "-D", "publish", "content-type", "text/plain"], check=True, timeout=20)
    got = until(lambda: lines(out), lambda: f"rhea gets it: {out.text()}")[0]
    require(got["body"] == "21.5" and got["content_type"] == "text/plain", f"{got}")
    require(got["properties"].get("unit") == "C", f"{got}")
    gw.settled()


@test
def rhea_to_mosquitto_sub_and_mqttjs(rig):
    q, b = rig.rabbitmq, rig.mosquitto()
    queue = rig.unique("rhea")
    gw = rig.gateway("bridges:\n" + rabbit("q", q) + bridge("b", b) + f"""
routes:
  down:
    from: {{ bridge: q, address: "/queue/{queue}" }}
    to: {{ bridge: b, topic: "out/{{property.machine}}", qos: 1 }}
    delivery: {{ guarantee: direct }}
""")
    gw.wait_up()
    plain = Process(["stdbuf", "-oL", "mosquitto_sub", "-p", b.port, "-h", "127.0.0.1", "-q", "1", "-t", "out/#", "-v", "-d"],
                    os.path.join(rig.folder, "sub.out"))
    rig.own(plain)
    plain.start()
    until(lambda: "SUBACK" in plain.text(), "mosquitto_sub has subscribed")
    js = node(rig, "mqtt.js", "subscribe", b.port, "out/#")
    node(rig, "rhea.js", "send", q.port, f"/queue/{queue}", "200")
    until(lambda: len(lines(js)) == 200, lambda: f"MQTT.js gets 200: {len(lines(js))}")
    require([m["payload"] for m in lines(js)] == [f"event {n}" for n in range(200)], "in order")
    require(lines(js)[0]["topic"] == "out/m7" and lines(js)[0]["user"].get("colour") == "grün",
            f"{lines(js)[0]}")
    until(lambda: plain.text().count("out/m7 event") == 200, "mosquitto_sub gets 200")
    gw.settled()


@test
def mqttjs_to_mosquitto_sub(rig):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge("b", b) + """
routes:
  r:
    from: { bridge: a, topic: "in/#", qos: 2 }
    to: { bridge: b, topic: out, qos: 2 }
    delivery: { guarantee: best-effort }
""")
    gw.wait_up()
    out = rig.subscriber(b.port, "out", qos=2)
    node(rig, "mqtt.js", "publish", a.port, "in/js", "200")
    out.wait(200)
    require([m.payload for m in out.messages] == [b"event %d" % n for n in range(200)], "in order, once")
    require(("colour", "grün") in out.messages[0].properties.UserProperty, "with its property")
    gw.settled()
