#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks what can break around real gateways and brokers, again and again, and proves that nothing is lost.

usage: run.py [--cycles N] [--seed S] [--minutes M] [--only SCENARIO…] …  (README.md has the rest)"""
import argparse
import collections
import importlib
import os
import random
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "bench"))
sys.path.insert(0, os.path.join(HERE, "..", "mesh"))
sys.path.insert(0, HERE)
from kit.rig import Shared  # noqa: E402
from kit.waiting import PATIENCE  # noqa: E402
from suite import SCENARIOS, Options, chosen  # noqa: E402
from world import World  # noqa: E402

MODULES = ["self_test", "gateway_kill", "broker_kill", "stop", "links", "disk", "clock", "sink_down", "recovery",
           "flapping", "chaos"]
QUICK = {"cycles": 40, "minutes": 0.2, "events": "quick"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--cycles", type=int, help="kills of a gateway, over all paths together (default 100)")
    add("--seed", type=int, help="repeats a run's plan (default: by chance, printed)")
    add("--minutes", type=float, help="of flapping and of chaos, each (default 1)")
    add("--only", nargs="+", default=[], metavar="SCENARIO", help="those with this in their name")
    add("--big", action="store_true", help="a million events while a sink is away, ten times 65,536 at QoS 2")
    add("--quick", action="store_true", help="two or three minutes, as in CI")
    add("--guarantee", choices=("stored", "direct"), default=Options.guarantee)
    add("--sync", choices=("always", "interval", "never"), default=Options.sync)
    add("--build", default="build", help="the gateway's build folder")
    add("--tools", default="", help="the build folder of the load tools (default: as --build)")
    add("--keep", action="store_true", help="keep the folders of all scenarios, not of failed ones alone")
    add("--list", action="store_true")
    return parser.parse_args()


def options_of(args):
    preset = QUICK if args.quick else {}
    named = {key: getattr(args, key) for key in ("build", "guarantee", "sync", "keep")}
    for key in ("cycles", "minutes"):
        value = getattr(args, key)
        named[key] = preset.get(key, getattr(Options, key)) if value is None else value
    return Options(seed=random.SystemRandom().randrange(1, 1000000) if args.seed is None else args.seed,
                   events="big" if args.big else preset.get("events", ""), tools=args.tools or args.build, **named)


def repeat(options, scenario):
    """The command that does the same again."""
    words = ["./dev faults", f"--seed {options.seed}", f"--cycles {options.cycles}",
             f"--minutes {options.minutes:g}", f"--guarantee {options.guarantee}", f"--sync {options.sync}"]
    words += [{"quick": "--quick", "big": "--big"}[options.events]] if options.events else []
    words += [f"--build {options.build}"] if options.build != "build" else []
    return " ".join(words + [f"--only {scenario.name}"])


def too_long(*_):
    raise TimeoutError("the scenario took longer than it may")


def limit_s(world):
    """No scenario may hold the run: every wait has its own deadline, this is for what nobody thought of."""
    return int(PATIENCE * (600 + 30 * world.cycles + 180 * world.options.minutes)
               * (6 if world.options.events == "big" else 1))


def run_one(shared, scenario, options, totals):
    world = World(shared, scenario, options)
    print(f"     {scenario.name} …", flush=True)
    failure = ""
    signal.alarm(limit_s(world))
    try:
        scenario.run(world)
    except AssertionError as error:
        where = [f for f in traceback.extract_tb(error.__traceback__) if os.path.dirname(f.filename) == HERE]
        failure = "".join(f"{os.path.basename(f.filename)}:{f.lineno}: " for f in where[-1:]) + str(error)
    except Exception:  # pylint: disable=broad-except
        failure = traceback.format_exc()
    signal.alarm(0)
    logs = world.logs() if failure else ""
    took = time.monotonic() - world.begun
    signal.alarm(int(180 * PATIENCE))
    try:
        trouble = world.close()
    except TimeoutError as error:
        trouble = [f"while ending: {error}"]
    signal.alarm(0)
    if trouble and not failure:
        failure, logs = "while ending: " + "\n".join(trouble), world.logs()
    totals.update(world.counts)
    notes = f"  ({'; '.join(world.notes)})" if world.notes else ""
    print(f"{'FAIL' if failure else 'ok  '} {scenario.name}  {took:.1f} s{notes}", flush=True)
    if failure:
        print(f"     {failure}\n--- the last that was done to it\n{world.plan_tail()}{logs}\n"
              f"     kept: {world.folder}\n     repeat: {repeat(options, scenario)}\n", flush=True)
    if not failure and not options.keep:
        world.forget()
    return not failure


def run_all(scenarios, options):
    shared = Shared(options.build)
    totals, passed, failed = collections.Counter(), 0, []
    print(f"faults: seed {options.seed}, guarantee {options.guarantee}"
          + (f", sync {options.sync}" if options.guarantee == "stored" else "") + f", folders in {shared.folder}",
          flush=True)
    try:
        for scenario in scenarios:
            if scenario.needs and scenario.needs != options.guarantee:
                print(f"skip {scenario.name}: needs --guarantee {scenario.needs}", flush=True)
            elif run_one(shared, scenario, options, totals):
                passed += 1
            else:
                failed.append(scenario)
    finally:
        if failed or options.keep:
            if shared._rabbitmq:  # pylint: disable=protected-access
                shared._rabbitmq.destroy()
        else:
            shared.close()
    print(f"faults: {', '.join(f'{count} {what}' for what, count in sorted(totals.items()))}; seed {options.seed}")
    for scenario in failed:
        print(f"failed: {scenario.name}: {repeat(options, scenario)}")
    print(f"faults: {passed} passed, {len(failed)} failed", flush=True)
    return 0 if passed and not failed else 1


def main():
    args = arguments()
    for module in MODULES:
        importlib.import_module("do_" + module)
    scenarios = chosen(args.only, args.quick)
    if args.list:
        print("\n".join(f"{s.name:40} {s.doc}" for s in scenarios))
        return 0
    if not scenarios:
        print(f"no scenario has any of {args.only} in its name; --list names {len(SCENARIOS)}")
        return 2
    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return run_all(scenarios, options_of(args))


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    code = main()
    sys.stdout.flush()
    os._exit(code)  # client threads that hang must not hold the run
