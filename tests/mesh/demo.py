#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`./dev demo`: three brokers on free ports, config/demo.yaml between them, and machines that talk.

Ends on Ctrl-C, or after --seconds N (with CI=true after 20): then with 0 only if events were seen on
every side and the ledger balances."""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from proton import Message  # noqa: E402

from kit import amqp, mqtt  # noqa: E402
from kit.gateway import Build  # noqa: E402
from kit.mosquitto import Mosquitto  # noqa: E402
from kit.process import Process  # noqa: E402
from kit.rabbitmq import RabbitMQ  # noqa: E402
from kit.waiting import Failure, until  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONFIG = os.path.join(ROOT, "config", "demo.yaml")
MACHINES = {"m1": ("a", 60.0), "m2": ("a", 45.0), "m3": ("b", 210.0), "m4": ("b", 50.0)}
SIDES = ("office", "RabbitMQ", "plant")
COLOURS = {"office": "36", "RabbitMQ": "35", "plant": "33", "ledger": "32"}


class Screen:
    """One line for each event, with the side it arrived at in front."""

    def __init__(self):
        self.lock = threading.Lock()
        self.seen = dict.fromkeys(SIDES, 0)
        self.colour = sys.stdout.isatty()

    def say(self, side, text):
        with self.lock:
            head = f"{side:>9} │"
            if self.colour and side in COLOURS:
                head = f"\033[{COLOURS[side]}m{head}\033[0m"
            print(f"{head} {text}", flush=True)

    def event(self, side, address, payload):
        self.seen[side] += 1
        self.say(side, f"{address}  {payload}")


class Demo:
    def __init__(self, build):
        self.build = Build(os.path.abspath(build))
        self.folder = tempfile.mkdtemp(prefix="meshgate-demo-")
        self.screen = Screen()
        self.stop = threading.Event()
        self.ends = []  # ended in reverse order
        self.env = {}
        self.gateway = None

    def start(self):
        say = self.screen.say
        say("demo", "starting two Mosquittos and a RabbitMQ (some seconds) …")
        rabbit = RabbitMQ(self.folder)
        self.ends.append(rabbit.destroy)
        rabbit.start(wait=False)
        plant, office = (Mosquitto(self.folder, name) for name in ("plant", "office"))
        for broker in (plant, office):
            self.ends.append(broker.process.kill)
            broker.start()
        rabbit.wait_ready()
        self.env = dict(self.build.env, DEMO_FOLDER=self.folder, DEMO_PLANT=plant.url,
                        DEMO_OFFICE=office.url, DEMO_BACKBONE=rabbit.url)
        say("demo", f"plant {plant.url}   office {office.url}   backbone {rabbit.url}")
        self.gateway = Process([self.build.binary, "run", "-c", CONFIG],
                               os.path.join(self.folder, "gateway.log"), self.env)
        self.ends.append(self.end_gateway)
        self.gateway.start()
        until(lambda: "gateway ready" in self.gateway.text() or not self.gateway.alive(),
              "the gateway is ready")
        if not self.gateway.alive():
            raise Failure("the gateway ended:\n" + self.gateway.tail())
        until(self.up, "the gateway has reached its brokers", 30, 0.2)
        say("demo", "the gateway joins them as config/demo.yaml says; ask it yourself in another shell:")
        names = " ".join(f"{k}={v}" for k, v in self.env.items() if k.startswith("DEMO_"))
        say("demo", f"  {names} ./dev run ledger -c config/demo.yaml")
        self.watch(plant, office, rabbit)

    def watch(self, plant, office, rabbit):
        event = self.screen.event
        self.own(mqtt.Subscriber(office.port, "office/#", keep=False, on_message=lambda m: event(
            "office", m.topic, m.payload.decode())))
        self.own(amqp.Receiver(
            rabbit.user_url, "/exchange/amq.topic/plant.#", keep=False, on_message=lambda m: event(
                "RabbitMQ", m.annotations.get("x-routing-key", m.subject or "amq.topic")
                if m.annotations else m.subject or "amq.topic", bytes(m.body).decode())))
        self.own(mqtt.Subscriber(plant.port, "plant/+/command", keep=False, on_message=lambda m: event(
            "plant", m.topic, m.payload.decode())))
        machines = self.own(mqtt.Publisher(plant.port))
        control_room = self.own(amqp.Sender(rabbit.user_url, "/queue/commands"))
        for work in (lambda: self.measure(machines), lambda: self.command(control_room)):
            threading.Thread(target=work, daemon=True).start()

    def own(self, client):
        self.ends.append(client.close)
        return client

    def measure(self, publisher):
        """Machines drift a little and jump now and then; most of it is noise for the filter."""
        temperatures = {name: start for name, (_, start) in MACHINES.items()}
        while not self.stop.wait(0.25):
            name = random.choice(list(MACHINES))
            temperatures[name] += random.choice((0.1, -0.1, 0.1, -0.1, 2.5, -2.5))
            publisher.publish(f"plant/{MACHINES[name][0]}/{name}/telemetry",
                              json.dumps({"temperature": round(temperatures[name], 1)}))

    def command(self, sender):
        while not self.stop.wait(2):
            machine = random.choice(list(MACHINES))
            sender.send(Message(body=json.dumps({"speed": random.randint(1, 9)}).encode(), inferred=True,
                                durable=True, properties={"machine": machine}))

    def ask(self, *words):
        return subprocess.run([self.build.binary, *words, "-c", CONFIG], capture_output=True, text=True,
                              env=dict(os.environ, **self.env), timeout=20, check=False)

    def ledger(self):
        done = self.ask("ledger", "--json")
        if done.returncode != 0:
            raise Failure("no ledger: " + done.stderr)
        return json.loads(done.stdout)

    def up(self):
        if not self.gateway.alive():
            raise Failure("the gateway ended:\n" + self.gateway.tail())
        return all(c["up"] for b in self.ledger()["bridges"] for c in b["connections"])

    def show_ledger(self):
        for line in self.ask("ledger").stdout.splitlines():
            self.screen.say("ledger", line)

    def run(self, seconds):
        begun = shown = time.monotonic()
        while seconds is None or time.monotonic() - begun < seconds:
            if self.stop.wait(0.2):
                return
            if time.monotonic() - shown >= 4:
                shown = time.monotonic()
                self.show_ledger()
            if not self.gateway.alive():
                raise Failure("the gateway ended:\n" + self.gateway.tail())

    def verdict(self):
        """After the machines fell silent: everything settles, and the books balance."""
        self.stop.set()
        until(lambda: all(r["in_flight"] == 0 for r in self.ledger()["routes"]), "everything settles", 20, 0.2)
        self.show_ledger()
        missing = [side for side, count in self.screen.seen.items() if count == 0]
        if missing:
            raise Failure("no event was seen at: " + ", ".join(missing))
        check = self.ask("ledger", "--check")
        if check.returncode != 0:
            raise Failure("the ledger does not balance:\n" + check.stdout + check.stderr)
        counts = ", ".join(f"{count} at {side}" for side, count in self.screen.seen.items())
        self.screen.say("demo", f"events seen: {counts}; the ledger balances")

    def end_gateway(self):
        if self.gateway.alive():
            self.gateway.term()

    def close(self):
        self.stop.set()
        for end in reversed(self.ends):
            try:
                end()
            except Exception as error:  # the next ones must be ended, too
                print(f"demo: while ending: {error}", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=float, default=20 if os.environ.get("CI") == "true" else None)
    arguments = parser.parse_args()
    demo = Demo(arguments.build)

    def interrupt(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    code = 0
    try:
        demo.start()
        demo.run(arguments.seconds)
        demo.verdict()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        demo.screen.say("demo", "ending …")
    except Failure as failure:
        print(f"demo: {failure}", file=sys.stderr)
        if demo.gateway:
            print(demo.gateway.tail(30), file=sys.stderr)
        code = 1
    finally:
        demo.close()
    return code


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # threads of the clients must not hold the end
