# SPDX-License-Identifier: Apache-2.0
"""The fake MQTT server of tests/tools in a rig: what it found wrong fails the test."""
import os
import sys

from .waiting import PATIENCE, Failure, until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import mqtt_peer  # noqa: E402
import mqtt_wire as wire  # noqa: E402

__all__ = ["FakeServer", "wire"]


class FakeServer(mqtt_peer.Peer):
    kind = "mqtt"

    def __init__(self, **options):
        super().__init__(slack_s=1.0 * PATIENCE, **options)

    def payloads(self):
        with self.lock:
            return [p.payload for p in self.received]

    def acked(self):
        """The payloads whose PUBACK or PUBREC came, in that order."""
        with self.lock:
            return [a.message.payload for a in self.acks]

    def wait_received(self, count, timeout_s=20):
        until(lambda: len(self.received) >= count,
              lambda: f"the MQTT server receives {count}, has {len(self.received)}; {self.violations}",
              timeout_s)
        return self.payloads()

    def wait_finished(self, timeout_s=20):
        """All that was offered is acknowledged for good."""
        until(lambda: not self.unfinished(),
              lambda: f"{self.unfinished()} messages are not acknowledged; {self.violations}", timeout_s)

    def wait_connections(self, count, timeout_s=20):
        """The CONNECT of that many connections has come."""
        until(lambda: self.count(wire.CONNECT) >= count,
              lambda: f"{count} connections, came {self.count(wire.CONNECT)}", timeout_s)
        return [c for c in self.connections if c.connect is not None]

    def story(self, packets=25):
        """The last packets of the last connections, for the log of a failed test."""
        lines = []
        for connection in self.connections[-4:]:
            said = " ".join(f"{p.name}{f' {p.id}' if p.id else ''}{' dup' if getattr(p, 'dup', 0) else ''}"
                            for p in connection.packets[-packets:])
            lines.append(f"connection {connection.index}{' closed' if connection.closed else ''}, session "
                         f"{'kept' if connection.present else 'new'}, {len(connection.packets)} packets: … {said}")
        return "\n".join(lines + self.violations[:5])

    def close(self):
        super().close()
        if self.violations:
            raise Failure("the gateway broke the rules of MQTT: " + "; ".join(self.violations[:10]))
