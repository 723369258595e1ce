# SPDX-License-Identifier: Apache-2.0
"""The configurations of the gateway that are measured, as the text that a user would write."""
import json

# What one connection may have on its way; the brokers are set to the same.
IN_FLIGHT = 1000
SESSION = "10m"


class Config:
    """Bridges and routes, which sessions they leave at which broker, and the store: settings of
    gateway.store but for its path, or None."""

    def __init__(self, store=None):
        self.bridges, self.routes, self.sessions, self.store = {}, {}, [], store

    def text(self):
        """One line for each bridge and route: JSON is YAML."""
        lines = []
        for part, entries in (("bridges", self.bridges), ("routes", self.routes)):
            lines.append(part + ":")
            lines += [f"  {name}: {json.dumps(entry)}" for name, entry in entries.items()]
        return "\n".join(lines) + "\n"

    def mqtt_source(self, name, port, client, qos, number=0):
        """A source of QoS 1 that can defer its acknowledgement has a session that lasts."""
        bridge = {"type": "mqtt", "url": f"mqtt://127.0.0.1:{port}", "client": client,
                  "client_id": f"bench-source-{number}"}
        if qos and client == "native":
            bridge.update(clean_start=False, session_expiry=SESSION, receive_maximum=IN_FLIGHT)
            self.sessions.append((port, bridge["client_id"]))
        self.bridges[name] = bridge

    def mqtt_sink(self, name, port, client):
        self.bridges[name] = {"type": "mqtt", "url": f"mqtt://127.0.0.1:{port}", "client": client,
                              "client_id": "bench-sink", "max_inflight": IN_FLIGHT}

    def amqp(self, name, port, login):
        self.bridges[name] = {"type": "amqp", "url": f"amqp://127.0.0.1:{port}"}
        if login:
            self.bridges[name].update(user="guest", password="guest")

    def settings(self, path):
        """What of the gateway's own section is not the kit's."""
        return f"  store: {json.dumps(dict(self.store, path=path))}" if self.store else ""

    def route(self, name, source, sink, direct):
        """stored where there is a store; direct where it is promised; else more may be in hand, since
        nobody is held back."""
        self.routes[name] = {
            "from": source, "to": sink,
            "delivery": {"guarantee": "stored" if self.store else "direct" if direct else "best-effort",
                         "window": IN_FLIGHT if self.store or direct else 10 * IN_FLIGHT}}


def _direct(client, qos):
    return bool(qos) and client == "native"


def mqtt_to_mqtt(source, sink, qos, client="native", ways=1, store=None):
    """ways: sinks of the route; more than one have their number in front of the address."""
    config = Config(store)
    config.mqtt_source("a", source.port, client, qos)
    config.mqtt_sink("b", sink.port, client)
    sinks = [{"bridge": "b", "qos": qos,
              "address": f"{way}/bench/{{rest}}" if ways > 1 else "bench/{rest}"}
             for way in range(ways)]
    config.route("forward", {"bridge": "a", "topic": "bench/{rest...}", "qos": qos},
                 sinks if ways > 1 else sinks[0], _direct(client, qos))
    return config


def many_routes(source, sink, count, qos=0, client="native"):
    config = Config()
    config.mqtt_source("a", source.port, client, qos)
    config.mqtt_sink("b", sink.port, client)
    for number in range(count):
        address = f"bench/{number}/{{name}}"
        config.route(f"r{number}", {"bridge": "a", "topic": address, "qos": qos},
                     {"bridge": "b", "address": address, "qos": qos}, _direct(client, qos))
    return config


def many_connections(source, sink, count, qos, client="native"):
    """count bridges, each with a connection of its own to the one broker, and one route of them."""
    config = Config()
    config.mqtt_sink("b", sink.port, client)
    for number in range(count):
        config.mqtt_source(f"a{number}", source.port, client, qos, number)
    config.route("forward",
                 [{"bridge": f"a{number}", "topic": f"bench/{number}/#", "qos": qos}
                  for number in range(count)],
                 {"bridge": "b", "address": "{event.address}", "qos": qos},
                 _direct(client, qos))
    return config


def mqtt_to_amqp(source, port, address, client="native", login=False, store=None):
    config = Config(store)
    config.mqtt_source("a", source.port, client, 1)
    config.amqp("q", port, login)
    config.route("forward", {"bridge": "a", "topic": "bench/#", "qos": 1},
                 {"bridge": "q", "address": address}, _direct(client, 1))
    return config


def amqp_to_mqtt(port, address, sink, client="native", login=False):
    config = Config()
    config.amqp("q", port, login)
    config.mqtt_sink("b", sink.port, client)
    config.route("forward", {"bridge": "q", "address": address},
                 {"bridge": "b", "address": "bench/a", "qos": 1}, True)
    return config
