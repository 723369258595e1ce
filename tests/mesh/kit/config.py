# SPDX-License-Identifier: Apache-2.0
"""YAML of bridges, so that a test shows only what it is about."""


def bridge(name, peer, **options):
    """peer: a broker, a peer, or a port of a proxy in front of one (with type= in options)."""
    kind = options.pop("type", None) or getattr(peer, "kind", "amqp")
    url = options.pop("url", None) or getattr(peer, "url", None) or f"{kind}://127.0.0.1:{peer.port}"
    fields = {"type": kind, "url": f'"{url}"', **options}
    text = ", ".join(f"{key}: {value}" for key, value in fields.items())
    return f"  {name}: {{ {text} }}\n"


def rabbit(name, broker, **options):
    return bridge(name, broker, **{"type": "amqp", "user": "guest", "password": "guest", **options})
