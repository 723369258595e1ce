# SPDX-License-Identifier: Apache-2.0
"""The two configurations of the tests of the MQTT client: from it and to it, under an obligation."""
from .config import bridge

QUICK = "{ first: 20ms, most: 100ms }"
KEPT = {"clean_start": "false", "session_expiry": "1h"}


def kept(version=5):
    """Options of a session that outlives the gateway."""
    return dict(KEPT) if version == 5 else {"clean_start": "false", "version": '"3.1.1"'}


def delivery(window=None, guarantee="direct"):
    return (f"    delivery: {{ guarantee: {guarantee}, retry: {QUICK}"
            + (f", window: {window}" if window else "") + " }\n")


def outward(feed, server, qos=1, window=None, topic="out", **options):
    """AMQP peer to MQTT."""
    return ("bridges:\n" + bridge("p", feed, reconnect=QUICK)
            + bridge("m", server, reconnect=QUICK, **options) + f"""
routes:
  r:
    from: {{ bridge: p, address: feed }}
    to: {{ bridge: m, topic: "{topic}", qos: {qos} }}
""" + delivery(window))


def inward(server, sink, qos=1, window=None, topic="in", version=5, **options):
    """MQTT to AMQP peer, over a session that outlives the gateway."""
    return ("bridges:\n" + bridge("m", server, reconnect=QUICK, **{**kept(version), **options})
            + bridge("s", sink, reconnect=QUICK) + f"""
routes:
  r:
    from: {{ bridge: m, topic: "{topic}", qos: {qos} }}
    to: {{ bridge: s, address: sink }}
""" + delivery(window))


def inward_plain(server, sink, **options):
    """MQTT to AMQP peer without obligation, where a test is about something else."""
    return ("bridges:\n" + bridge("m", server, reconnect=QUICK, **options)
            + bridge("s", sink, reconnect=QUICK) + """
routes:
  r:
    from: { bridge: m, topic: "in", qos: 1 }
    to: { bridge: s, address: sink }
    delivery: { guarantee: best-effort }
""")
