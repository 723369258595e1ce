#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the mesh tests: real brokers, foreign clients, a real gateway.

usage: run.py [--build DIR] [--list] [--keep] [NAME|SUITE|part of a name…]"""
import argparse
import importlib
import os
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit.rig import Rig, Shared  # noqa: E402
from kit.suite import TESTS  # noqa: E402
from kit.waiting import PATIENCE, Failure  # noqa: E402

# No test may hold the run: every wait has its own deadline, this one is for what nobody thought of.
TEST_LIMIT_S = 400
SUITES = ["paths", "fidelity", "faults", "delivery", "stored", "dead_letters", "limits", "security", "foreign", "commands", "tap",
          "consumers", "cloudevents", "enrichers", "http", "claims", "kit", "mqtt_client", "mqtt_sessions", "mqtt_stored",
          "mqtt_brokers"]


def chosen(test, words):
    return not words or any(w == test.suite or w in f"{test.suite}.{test.name}" for w in words)


def too_long(*_):
    raise Failure(f"the test took more than {TEST_LIMIT_S * PATIENCE:g} s")


def run_one(shared, test, keep):
    rig = Rig(shared, test.name)
    begun = time.monotonic()
    failure = ""
    signal.alarm(int(TEST_LIMIT_S * PATIENCE))
    try:
        test.run(rig)
    except AssertionError as error:
        where = traceback.extract_tb(error.__traceback__)
        line = next((f"{os.path.basename(f.filename)}:{f.lineno}: " for f in reversed(where)
                     if os.path.basename(f.filename).startswith("test_")), "")
        failure = f"{line}{error}"
    except Exception:
        failure = traceback.format_exc()
    signal.alarm(0)
    logs = rig.logs() if failure else ""
    trouble = rig.close()
    if trouble and not failure:
        failure, logs = "while ending: " + "\n".join(trouble), rig.logs()
    took = time.monotonic() - begun
    notes = f"  ({'; '.join(rig.notes)})" if rig.notes else ""
    print(f"{'FAIL' if failure else 'ok  '} {test.suite}.{test.name}  {took:.1f} s{notes}", flush=True)
    if failure:
        print(f"     {failure}\n{logs}\n", flush=True)
    if keep:
        print(f"     kept: {rig.folder}", flush=True)
    else:
        rig.forget()
    return not failure


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the folders of the tests")
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    for suite in SUITES:
        importlib.import_module("test_" + suite)
    tests = [t for t in TESTS if chosen(t, arguments.words)]
    if arguments.list:
        print("\n".join(f"{t.suite}.{t.name}" for t in tests))
        return 0
    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shared = Shared(arguments.build)
    passed = failed = 0
    try:
        for test in tests:
            if run_one(shared, test, arguments.keep):
                passed += 1
            else:
                failed += 1
    finally:
        if not arguments.keep:
            shared.close()
        elif shared._rabbitmq:
            shared._rabbitmq.destroy()
    print(f"mesh: {passed} passed, {failed} failed", flush=True)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    code = main()
    sys.stdout.flush()
    os._exit(code)  # client threads that hang must not hold the run
