# SPDX-License-Identifier: Apache-2.0
"""Stored routes between MQTT servers, and a gateway that is killed again and again: at QoS 2 each
event arrives once, in order; through Paho none is lost."""
import os
import threading

from kit.config import bridge
from kit.routes import KEPT, QUICK, kept
from kit.sequence import Seen, Sent
from kit.suite import cases, test
from kit.waiting import until

KILLS = int(os.environ.get("MESH_KILLS", "20"))


def stored(rig, a, b, qos, version=5, **options):
    """MQTT to MQTT through the store."""
    folder = os.path.join(rig.folder, "store")
    return rig.gateway("bridges:\n" + bridge("a", a, reconnect=QUICK, **{**kept(version), **options})
                       + bridge("b", b, reconnect=QUICK, **kept(version)) + f"""
routes:
  r:
    from: {{ bridge: a, topic: "in/#", qos: {qos} }}
    to: {{ bridge: b, topic: "out/all", qos: {qos} }}
    delivery: {{ guarantee: stored, retry: {QUICK} }}
""", settings=f"  store: {{ path: {folder} }}\n")


def run_load(rig, gw, a, b, qos, kills):
    """Publishes all the time; the gateway dies `kills` times while events flow.  → Seen, Sent"""
    seen, sent, stop = Seen(), Sent(), threading.Event()
    rig.subscriber(b.port, "out/#", qos=2, keep=False, on_message=lambda m: seen.add(m.payload))
    source = rig.publisher(a.port)

    def produce():
        while not stop.is_set():
            if sent.total - seen.unique > 500:
                stop.wait(0.002)
                continue
            source.publish("in/t", sent.next()[1], qos)

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    for _ in range(kills):
        gw.wait_up()
        before = seen.unique
        until(lambda: seen.unique > before + 100, lambda: f"events flow: {gw.route()}")
        gw.kill()
        gw.start()
    stop.set()
    producer.join(30)
    source.done()
    until(lambda: seen.unique >= sent.total, lambda: f"{seen.unique} of {sent.total}: {gw.route()}", 60)
    gw.settled()
    rig.note(f"{sent.total} events over {kills} kills, {seen.duplicates} duplicates")
    return seen, sent


@cases(v5=(5,), v311=(4,))
def exactly_once_at_qos_2(rig, version):
    """The servers stay alive; their sessions and the store know what was under way."""
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = stored(rig, a, b, 2, version)
    gw.wait_up()
    seen, sent = run_load(rig, gw, a, b, 2, KILLS)
    seen.check(sent, duplicates=0)


@test
def an_orderly_stop_duplicates_nothing_at_qos_2(rig):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = stored(rig, a, b, 2)
    gw.wait_up()
    gw.kill = gw.term
    seen, sent = run_load(rig, gw, a, b, 2, 5)
    seen.check(sent, duplicates=0)


@test
def paho_loses_nothing_that_it_has_acknowledged(rig):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = stored(rig, a, b, 1, client="paho", **KEPT)
    gw.wait_up()
    seen, sent = run_load(rig, gw, a, b, 1, max(KILLS // 4, 1))
    seen.check(sent)


@test
def paho_stops_in_order_without_a_loss(rig):
    """What it has in hand when the gateway stops is acknowledged, and therefore kept."""
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = stored(rig, a, b, 1, client="paho", **KEPT)
    gw.wait_up()
    gw.kill = gw.term
    seen, sent = run_load(rig, gw, a, b, 1, 5)
    seen.check(sent)
