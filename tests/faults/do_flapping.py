# SPDX-License-Identifier: Apache-2.0
"""A link that comes and goes for minutes, under load: the gateway's memory is flat, nothing is lost."""
import time

from ends import MqttEnd, RabbitEnd
from memory import flat
from path import Path
from suite import scenario


def flap(world, source, sink, ordered=True):
    path = Path(world, source, sink).start()
    (gateway,) = path.gateways
    sampler, flaps = world.sampler(gateway), 0
    end = time.monotonic() + world.options.minutes * 60
    while time.monotonic() < end:
        world.pause(0.5, 3)
        world.do("the link goes")
        sink.link.down()
        world.pause(0.5, 3)
        world.do("the link comes")
        sink.link.up()
        flaps += 1
        path.flows(1)
    samples = sampler.stop()
    path.finish(ordered=ordered)
    world.counts["link faults"] += flaps
    world.note(f"{flaps} flaps; {flat(samples, world.options.minutes, sanitized=gateway.build.sanitized)}")


@scenario()
def mqtt_sink(world):
    """Away for 0.5 to 3 s, there for 0.5 to 3 s."""
    flap(world, MqttEnd(world, "a"), MqttEnd(world, "b", linked=True))


@scenario(slow=True)
def amqp_sink(world):
    """The same to RabbitMQ."""
    flap(world, MqttEnd(world, "a"), RabbitEnd(world, linked=True))
