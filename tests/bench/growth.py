# SPDX-License-Identifier: Apache-2.0
"""What the gateway costs as work grows: routes, payload, connections, sinks of a route.  The floor
stands beside it where it can do the same work."""
import configs
import report
import rigs
from measure import Case


class Growth:
    def __init__(self, bench):
        self.bench, self.plan, self.meter, self.tools = (bench, bench.plan, bench.meter, bench.tools)

    def _points(self, full, quick):
        return quick if self.plan.quick else full

    def _floor(self, source, sink, qos, connections=1, ways=1):
        """The project's own floor: it knows connections and ways."""
        filter_ = "bench/{n}/#" if connections > 1 else "bench/#"
        return lambda: rigs.Forwarder(self.tools, self.tools.floor, source, sink, qos, connections,
                                      ways, filter_=filter_)

    def _gateway(self, config, source, sink):
        return lambda: self.bench.gateway(config, source, sink)

    def _in_turn(self, part, group, cases):
        self.meter.in_turn(part, group, cases, self.plan.point_rounds)

    def routes(self, source, sink):
        """As many topics as routes, each event on one of them."""
        counts = self._points((1, 10, 100, 1000, 10000), (1, 10000))
        self._in_turn("routes", "QoS 0", [
            Case(report.MESHGATE,
                 self._gateway(configs.many_routes(source, sink, count), source, sink),
                 self.meter.throughput(rigs.Load(0, topics=count), self.plan.point_seconds), count)
            for count in counts])

    def payload(self, source, sink):
        for qos in (0, 1):
            cases = []
            for size in self._points((16, 256, 4096, 65536, 1 << 20), (16, 65536)):
                run = self.meter.throughput(rigs.Load(qos, size), self.plan.point_seconds)
                config = configs.mqtt_to_mqtt(source, sink, qos)
                cases += [Case(report.FLOOR, self._floor(source, sink, qos), run, size),
                          Case(report.MESHGATE, self._gateway(config, source, sink), run, size)]
            self._in_turn("payload", f"QoS {qos}", cases)

    def connections(self, source, sink):
        for qos in (0, 1):
            cases = []
            for count in self._points((1, 10, 100, 500), (1, 500)):
                run = self.meter.throughput(rigs.Load(qos, topics=count), self.plan.point_seconds)
                config = configs.many_connections(source, sink, count, qos)
                cases += [Case(report.FLOOR, self._floor(source, sink, qos, count), run, count),
                          Case(report.MESHGATE, self._gateway(config, source, sink), run, count)]
            self._in_turn("connections", f"QoS {qos}", cases)

    def fanout(self, source, sink):
        for qos in (0, 1):
            cases = []
            for ways in self._points((1, 3, 10, 30, 100), (1, 100)):
                run = self.meter.throughput(rigs.Load(qos, ways=ways), self.plan.point_seconds)
                config = configs.mqtt_to_mqtt(source, sink, qos, ways=ways)
                cases += [Case(report.FLOOR, self._floor(source, sink, qos, ways=ways), run, ways),
                          Case(report.MESHGATE, self._gateway(config, source, sink), run, ways)]
            self._in_turn("fanout", f"QoS {qos}", cases)
