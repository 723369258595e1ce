# SPDX-License-Identifier: Apache-2.0
"""A disk that fails, and one that is full: back-pressure, no crash, nothing lost."""
import os
import subprocess

import moves
from ends import UNDER_WAY, MqttEnd
from kit.waiting import require, until
from path import Path
from suite import scenario

SMALL_MIB, EVENT_BYTES = 32, 4000


@scenario(0.1, 3, needs="stored")
def fails(world):
    """fsync and write give EIO or ENOSPC for a while; sometimes the gateway dies with them."""
    path = Path(world, MqttEnd(world, "a"), MqttEnd(world, "b"), shims=("disk",)).start()
    moves.apply(world, path, [moves.disk_fails], world.cycles)
    path.finish()


@scenario(0.03, 1, needs="stored")
def full(world):
    """The sink is away until the disk of the store is full; the gateway lives, starts anew, and drains."""
    folder = world.small_disk(SMALL_MIB)
    path = Path(world, MqttEnd(world, "a"), MqttEnd(world, "b", linked=True),
                store=os.path.join(folder or world.folder, "store"), more_bytes=EVENT_BYTES)
    (gateway,) = path.gateways
    if not folder:
        # The signal that comes with this limit would end the process: it is to see the error.
        gateway.process.arguments = ["sh", "-c", 'trap "" XFSZ; ulimit -S -f "$0"; exec "$@"', SMALL_MIB * 2048,
                                     *gateway.process.arguments]
        gateway.process.arguments = [str(a) for a in gateway.process.arguments]
        world.note("nothing can be mounted here: a limit to the size of its files instead")
    path.start()
    for cycle in range(world.cycles):
        path.flows(100)
        fill(world, path, folder)
        if world.dice.random() < 0.7:
            world.do("kill gw with a full disk")
            gateway.kill()
            gateway.start()
        path.look()
        if folder and world.dice.random() < 0.3:
            world.do("the disk becomes larger")
            subprocess.run(["mount", "-o", f"remount,size={SMALL_MIB * (cycle + 2)}m", folder], check=True)
        path.sink.link.up()
        path.drained(lambda: path.checker.missing() <= UNDER_WAY)
        require(path.checker.missing() <= UNDER_WAY, lambda: f"the backlog drains: {path.where()}")
        world.counts["full disks"] += 1
    path.finish()


def fill(world, path, folder):
    world.do("the sink is away until the disk is full")
    path.sink.link.down()
    path.load.most = 10**6
    until(lambda: is_held(world, path, folder), lambda: f"the disk is full: {path.where()}", 200, 0.1)
    path.load.most = UNDER_WAY  # what is in the source's broker has to wait there
    world.do(f"full: {path.where()}")


def is_held(world, path, folder):
    """The store takes no more: while the source has more, its count stands still."""
    (gateway,) = path.gateways
    if folder and os.statvfs(folder).f_bavail * 4096 > SMALL_MIB << 18:
        return False
    before = gateway.route()["received"]
    world.pause(1)
    require(gateway.process.alive(), lambda: "the gateway lives with a full disk:\n" + gateway.process.tail())
    return gateway.route()["received"] == before and path.checker.missing() > before - path.checker.unique
