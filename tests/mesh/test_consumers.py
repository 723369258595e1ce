# SPDX-License-Identifier: Apache-2.0
"""Several consumers of one source: all of them work, each event comes once, and what order is left."""
import os
import re
import socket
import struct
import subprocess

from proton import Message

from kit.config import bridge, rabbit
from kit.rabbitmq import RabbitMQ
from kit.sequence import Seen, Sent
from kit.suite import cases, test
from kit.waiting import PATIENCE, require, until

COUNT = 2000
SHARDS = "  shards: 3"


def connections(gw, name):
    return next(b for b in gw.ledger()["bridges"] if b["bridge"] == name)["connections"]


def spread(gw, name, count, first_shard=0):
    """Each connection stands where it belongs and has brought something."""
    found = connections(gw, name)
    shards = [(c["index"], c["shard"]) for c in found]
    require(shards == [(i, (first_shard + i) % 3) for i in range(count)], f"{found}")
    require(all(c["received"] for c in found), f"every consumer works: {found}")


def cut_one(proxy):
    """Resets one of the connections through the proxy."""
    with proxy.lock:
        client, _ = next(iter(proxy.pairs))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.shutdown(socket.SHUT_RD)


def body(key, payload):
    return Message(body=payload, durable=True, inferred=True, subject=key)


def ctl(broker, expression):
    done = subprocess.run(["/usr/lib/rabbitmq/bin/rabbitmqctl", "-n", broker.env["RABBITMQ_NODENAME"],
                           "eval", expression], env=dict(os.environ, **broker.env), check=False,
                          capture_output=True, text=True, timeout=60 * PATIENCE)
    require(done.returncode == 0, f"rabbitmqctl: {done.stdout}{done.stderr}")


def queue(broker, name, arguments=""):
    ctl(broker, f'rabbit_amqqueue:declare(rabbit_misc:r(<<"/">>, queue, <<"{name}">>), true, false, '
                f'[{arguments}], none, <<"guest">>).')


@test
def mosquitto_shares_out_and_all_come_back_after_a_restart(rig):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + bridge("a", a, reconnect="{ first: 50ms, most: 500ms }")
                     + bridge("b", b) + """
routes:
  r:
    from: { bridge: a, topic: "$share/team/in/{key}", qos: 1, consumers: 4 }
    to: { bridge: b, topic: "out/{key}", qos: 1 }
    delivery: { guarantee: best-effort }
""", settings=SHARDS)
    gw.wait_up()
    clients = set(re.findall(r"as (meshgate-gw-a\S*)", a.process.text()))
    require(clients == {"meshgate-gw-a", "meshgate-gw-a-1", "meshgate-gw-a-2", "meshgate-gw-a-3"},
            f"the broker knows {clients}")
    seen, sent = Seen(), Sent()
    out = rig.subscriber(b.port, "out/#", on_message=lambda m: seen.add(m.payload), keep=False)

    def batch():
        pub = rig.publisher(a.port)
        for _ in range(COUNT):
            key, payload = sent.next()
            pub.publish(f"in/{key}", payload)
        pub.done()
        out.wait(sent.total)
        gw.settled()
        seen.check(sent, duplicates=0, ordered=False)
        spread(gw, "a", 4)

    batch()
    require(len(connections(gw, "b")) == 1, "sinks have one connection")
    a.kill()
    until(lambda: not any(c["up"] for c in connections(gw, "a")), "all connections are down")
    status = gw.command("status", "-c", gw.config, check=False)
    require(status.returncode == 1 and "a/3" in status.stdout and "DOWN" in status.stdout, status.stdout)
    a.start()
    gw.wait_up()
    batch()
    line = gw.route()
    require(line["received"] == line["delivered"] == 2 * COUNT, f"{line}")


@test
def mosquitto_direct_and_a_consumer_that_is_cut_off(rig):
    """What a consumer has not acknowledged comes again when its session returns."""
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    proxy = rig.proxy(a.port)
    gw = rig.gateway("bridges:\n"
                     + bridge("a", proxy, type="mqtt", clean_start="false", session_expiry="1h",
                              reconnect="{ first: 50ms, most: 500ms }")
                     + bridge("b", b) + """
routes:
  r:
    from: { bridge: a, topic: "$share/team/in/{key}", qos: 1, consumers: 4 }
    to: { bridge: b, topic: "out/{key}", qos: 1 }
    delivery: { guarantee: direct, window: 100 }
""", settings=SHARDS)
    gw.wait_up()
    seen, sent = Seen(), Sent()
    rig.subscriber(b.port, "out/#", on_message=lambda m: seen.add(m.payload), keep=False)
    pub = rig.publisher(a.port)
    for n in range(COUNT * 3):
        key, payload = sent.next()
        pub.publish(f"in/{key}", payload)
        if n % 1500 == 1000:
            before = proxy.accepted
            cut_one(proxy)
            until(lambda: proxy.accepted > before, "the consumer connects again")
    pub.done()
    until(lambda: seen.unique >= sent.total, lambda: f"{seen.unique} of {sent.total} arrive", 60)
    gw.settled()
    seen.check(sent, ordered=False)
    spread(gw, "a", 4)
    rig.note(f"{seen.duplicates} duplicates")


@cases(amqp=("amqp",), mqtt=("mqtt",))
def rabbitmq_queue_and_a_consumer_that_is_cut_off(rig, sink):
    q, b = rig.rabbitmq, rig.mosquitto("b")
    source, target = rig.unique("many"), rig.unique("one")
    queue(q, source)
    proxy = rig.proxy(q.port)
    to = f'{{ bridge: p, address: "/queue/{target}" }}' if sink == "amqp" else \
        '{ bridge: b, topic: out, qos: 1 }'
    gw = rig.gateway("bridges:\n"
                     + rabbit("q", proxy, shard=1, reconnect="{ first: 50ms, most: 500ms }")
                     + (rabbit("p", q) if sink == "amqp" else bridge("b", b)) + f"""
routes:
  r:
    from: {{ bridge: q, address: "/queue/{source}", consumers: 3 }}
    to: {to}
    delivery: {{ window: 100 }}
""", settings=SHARDS)
    gw.wait_up()
    seen, sent = Seen(), Sent()

    def count(message):
        seen.add(bytes(message.body) if sink == "amqp" else message.payload)

    if sink == "amqp":
        rig.receiver(f"/queue/{target}", on_message=count, keep=False)
    else:
        rig.subscriber(b.port, "out", on_message=count, keep=False)
    feed = rig.sender(f"/queue/{source}")
    for n in range(COUNT * 3):
        feed.send(body(*sent.next()))
        if n % 1500 == 1000:
            before = proxy.accepted
            cut_one(proxy)
            until(lambda: proxy.accepted > before, "the consumer connects again")
    feed.done()
    until(lambda: seen.unique >= sent.total, lambda: f"{seen.unique} of {sent.total} arrive", 60)
    gw.settled()
    seen.check(sent, ordered=False)
    spread(gw, "q", 3, first_shard=1)
    rig.note(f"{seen.duplicates} duplicates")


@test
def a_queue_with_a_single_active_consumer_keeps_its_order(rig):
    q, b = rig.rabbitmq, rig.mosquitto("b")
    source = rig.unique("active")
    queue(q, source, '{<<"x-single-active-consumer">>, bool, true}')
    gw = rig.gateway("bridges:\n" + rabbit("q", q) + bridge("b", b) + f"""
routes:
  r:
    from: {{ bridge: q, address: "/amq/queue/{source}", consumers: 3 }}
    to: {{ bridge: b, topic: out, qos: 1 }}
""", settings=SHARDS)
    gw.wait_up()
    seen, sent = Seen(), Sent()
    out = rig.subscriber(b.port, "out", on_message=lambda m: seen.add(m.payload), keep=False)
    feed = rig.sender(f"/amq/queue/{source}")
    for _ in range(COUNT):
        feed.send(body(*sent.next()))
    feed.done()
    out.wait(COUNT)
    gw.settled()
    seen.check(sent, duplicates=0)
    received = sorted(c["received"] for c in connections(gw, "q"))
    require(received == [0, 0, COUNT], f"one consumer gets everything: {received}")


@test
def a_consistent_hash_exchange_keeps_the_order_of_each_key(rig):
    """The recipe of docs/delivery.md: a queue for each consumer, each read by a bridge of its own."""
    q = RabbitMQ(rig.folder)
    q._write("enabled_plugins", "[rabbitmq_amqp1_0,rabbitmq_consistent_hash_exchange].\n")
    rig.ends.append(q.epmd)
    rig.ends.append(q.process)
    q.start()
    b = rig.mosquitto("b")
    ctl(q, 'rabbit_exchange:declare(rabbit_misc:r(<<"/">>, exchange, <<"hash">>), '
           '\'x-consistent-hash\', true, false, false, [], <<"guest">>).')
    for i in range(3):
        queue(q, f"part-{i}")
        ctl(q, 'rabbit_binding:add({binding, rabbit_misc:r(<<"/">>, exchange, <<"hash">>), <<"10">>, '
               f'rabbit_misc:r(<<"/">>, queue, <<"part-{i}">>), []}}, <<"guest">>).')
    sources = "\n".join(f'      - {{ bridge: q{i}, address: "/amq/queue/part-{i}" }}' for i in range(3))
    gw = rig.gateway("bridges:\n" + "".join(rabbit(f"q{i}", q, shard=i) for i in range(3))
                     + bridge("b", b) + f"""
routes:
  r:
    from:
{sources}
    to: {{ bridge: b, topic: out, qos: 1 }}
""", settings=SHARDS)
    gw.wait_up()
    seen, sent = Seen(), Sent(keys=50)
    out = rig.subscriber(b.port, "out", on_message=lambda m: seen.add(m.payload), keep=False)
    feed = rig.sender("/exchange/hash", url=q.user_url)
    for _ in range(COUNT * 2):
        feed.send(body(*sent.next()))
    feed.done()
    out.wait(sent.total)
    gw.settled()
    seen.check(sent, duplicates=0)
    received = [connections(gw, f"q{i}")[0]["received"] for i in range(3)]
    require(all(received) and sum(received) == sent.total, f"every queue has a part: {received}")


@test
def a_key_stays_in_its_partition(rig):
    """The other recipe: {key % 3} in the address of a queue, and a reader for each."""
    a, b, q = rig.mosquitto("a"), rig.mosquitto("b"), rig.rabbitmq
    name = rig.unique("part")
    readers = "\n".join(f'      - {{ bridge: q{i}, address: "/queue/{name}-{i}" }}' for i in range(3))
    gw = rig.gateway("bridges:\n" + bridge("a", a, type="mqtt", clean_start="false", session_expiry="1h")
                     + "".join(rabbit(f"q{i}", q, shard=i) for i in range(3)) + bridge("b", b) + f"""
routes:
  out:
    from: {{ bridge: a, topic: "in/{{key}}", qos: 1 }}
    to: {{ bridge: q0, address: "/queue/{name}-{{key % 3}}" }}
    delivery: {{ guarantee: direct }}
  back:
    from:
{readers}
    to: {{ bridge: b, topic: out, qos: 1 }}
""", settings=SHARDS)
    gw.wait_up()
    seen, sent = Seen(), Sent(keys=50)
    out = rig.subscriber(b.port, "out", on_message=lambda m: seen.add(m.payload), keep=False)
    pub = rig.publisher(a.port)
    for _ in range(COUNT):
        key, payload = sent.next()
        pub.publish(f"in/{key}", payload)
    pub.done()
    out.wait(sent.total)
    gw.settled()
    seen.check(sent, duplicates=0)
    received = [connections(gw, f"q{i}")[0]["received"] for i in range(3)]
    require(all(received) and sum(received) == sent.total, f"every partition has a part: {received}")
