# SPDX-License-Identifier: Apache-2.0
"""MQTT into AMQP 1.0 and back, beside a bare Proton sender or receiver at the same peer.

A bare sender makes messages and sends as fast as the peer accepts them; a bare receiver accepts what
the peer sends.  So × bare compares the whole way through a broker, the gateway and the peer with the
AMQP half of it alone; what the MQTT half does alone, without a forwarder, stands beside it."""
import os

import configs
import measure
import report
import rigs

FIRST_EVENTS = 4000
GIVE_UP_S = 120


class Alone(rigs.Subject):
    """Nothing between the load tools, or only a server that runs already."""

    def __init__(self):
        super().__init__(None, None)


class Peer:
    """The load tool itself as the peer that listens: nothing but the client's side costs."""
    name, title = "proton", "a Proton peer"
    login = False

    def __init__(self, tools, _):
        self.tools, self.port = tools, None

    def prepare(self):
        self.port = rigs.free_port()
        return "bench"

    def processes(self):
        return {}

    def take(self, count, *more):
        return self.tools.start([self.tools.amqp_load, "sink", self.port, "-n", count, "-W", 10, *more],
                                "peer")

    def give(self, count):
        return self.tools.start([self.tools.amqp_load, "source", self.port, "-n", count, "-W", 10], "peer")

    def stop(self):
        pass


class Rabbit:
    """RabbitMQ, each measurement with a queue of its own, so that none meets another's leftovers."""
    name, title = "rabbitmq", "RabbitMQ"
    login = True

    def __init__(self, tools, folder):
        from kit.rabbitmq import RabbitMQ
        self.tools, self.number = tools, 0
        self.server = RabbitMQ(folder)
        self.server.start()
        self.port = self.server.port

    def prepare(self):
        self.number += 1
        return f"/queue/bench-{self.number}"

    def processes(self):
        return {"RabbitMQ": self.server.process.pid}

    def _load(self, mode, count, *more):
        return self.tools.start([self.tools.amqp_load, mode, self.port, f"/queue/bench-{self.number}",
                                 "-n", count, "-u", "guest", "-p", "guest", "-W", 15, *more], "peer")

    def take(self, count, *more):
        return self._load("recv", count, *more)

    def give(self, count):
        return self._load("send", count)

    def stop(self):
        self.server.destroy()


class Ways:
    """The cases of one peer, in both directions."""

    def __init__(self, meter, start_gateway, peer, broker, clients):
        self.meter, self.tools, self.peer, self.broker = meter, meter.tools, peer, broker
        self.start_gateway, self.clients = start_gateway, clients
        self.address = None

    def _alone(self):
        self.address = self.peer.prepare()
        return Alone()

    def gateway(self, make, client):
        """make(client, port, address, login) is the configuration."""
        self.address = self.peer.prepare()
        config = make(client, self.peer.port, self.address, self.peer.login)
        return self.start_gateway(config, self.broker, self.broker,
                                  dict(self.peer.processes(), broker=self.broker.pid))

    def _count(self, case):
        return max(FIRST_EVENTS, int(case.memory.get("rate", 0) * self.meter.plan.seconds))

    def _finish(self, case, receiver, others, usage=None):
        """The receiver's result; usage counts once the other tools have ended, too."""
        try:
            sample = self.tools.result(receiver, GIVE_UP_S)
        finally:
            for other in others:
                other.kill()
            receiver.kill()
        case.memory["rate"] = sample["rate"]
        return usage.end(sample) if usage else sample

    def _yardstick_or_own(self, program, mode, count):
        number = ["-n", count] if program == self.tools.amqp_load else [count]
        login = ["-u", "guest", "-p", "guest"] if self.peer.login else []
        return self.tools.start([program, mode, self.peer.port, self.address, *number, *login], "bare")

    def _bare_sender(self, program):
        def run(_, case):
            count = self._count(case)
            receiver = self.peer.take(count)
            rigs.until_ready(receiver)
            sender = self._yardstick_or_own(program, "send", count)
            sample = self.tools.result(sender, GIVE_UP_S)
            received = self._finish(case, receiver, [sender])
            return dict(received, cpu_us=per_event(sample))
        return run

    def _bare_receiver(self, program):
        def run(_, case):
            count = self._count(case)
            giver = self.peer.give(count) if not self.peer.login else None
            if giver:
                rigs.until_ready(giver)
            receiver = self._yardstick_or_own(program, "recv", count)
            rigs.until_ready(receiver)
            giver = giver or self.peer.give(count)
            sample = self._finish(case, receiver, [giver])
            return dict(sample, cpu_us=per_event(sample))
        return run

    def into(self, subject, case):
        """The MQTT publisher's window counts what has arrived at the far end."""
        count = self._count(case)
        shared = os.path.join(self.tools.folder, "progress")
        with open(shared, "wb") as out:
            out.write(bytes(8))
        receiver = self.peer.take(count, "-m", shared)
        rigs.until_ready(receiver)
        subject.wait_up()
        usage = measure.Usage(subject)
        sender = self.tools.start([self.tools.mqtt_load, "-y", "-p", subject.publish_port, "-n", count,
                                   "-q", 1, "-w", configs.IN_FLIGHT, "-m", shared, "-W", 10], "mqtt")
        return self._finish(case, receiver, [sender], usage)

    def _from(self, subject, case):
        """The AMQP sender's window counts what the gateway has settled."""
        count = self._count(case)
        receiver = self.tools.start([self.tools.mqtt_load, "-x", "-s", subject.subscribe_port, "-n",
                                     count, "-q", 1, "-W", 10], "mqtt")
        rigs.until_ready(receiver)
        usage = measure.Usage(subject)
        sender = self.peer.give(count)
        return self._finish(case, receiver, [sender], usage)

    def run(self):
        case, programs, half = measure.Case, [(report.BARE, self.tools.amqp_load)], []
        if not self.peer.login:
            half = [case(report.HALF, lambda: rigs.Nothing(self.broker),
                         self.meter.throughput(rigs.Load(1), self.meter.plan.seconds))]
            # Its queues at RabbitMQ are not durable, so none would fit both it and the gateway.
            if self.tools.amqpload:
                programs.append((f"{report.BARE} (amqpload)", self.tools.amqpload))

        def into(client, *end):
            return configs.mqtt_to_amqp(self.broker, *end[:2], client, end[2])

        def out_of(client, *end):
            return configs.amqp_to_mqtt(*end[:2], self.broker, client, end[2])

        def gateways(make, run):
            return [case(named(client), lambda client=client: self.gateway(make, client), run)
                    for client in self.clients]

        self.meter.in_turn(
            "amqp", f"MQTT QoS 1 to AMQP 1.0, {self.peer.title}",
            [case(name, self._alone, self._bare_sender(program)) for name, program in programs] +
            half + gateways(into, self.into))
        self.meter.in_turn(
            "amqp", f"AMQP 1.0 to MQTT QoS 1, {self.peer.title}",
            [case(name, self._alone, self._bare_receiver(program)) for name, program in programs] +
            half + gateways(out_of, self._from))


def named(client):
    return "meshgate" if client == rigs.NATIVE else f"meshgate, client: {client}"


def per_event(sample):
    """CPU that a tool has measured of itself."""
    if "tool_cpu_s" not in sample:
        return None
    return sample["tool_cpu_s"] * 1e6 / max(sample["unique"] or sample["sent"], 1)
