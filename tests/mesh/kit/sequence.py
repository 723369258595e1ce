# SPDX-License-Identifier: Apache-2.0
"""Numbered events, and what became of them: lost, duplicated, reordered (per key)."""
import json
import threading

from .waiting import Failure, require


def make(key, number, **more):
    return json.dumps({"key": key, "n": number, **more}).encode()


class Sent:
    """Numbers events per key, from 1."""

    def __init__(self, keys=4):
        self.keys = [f"k{i}" for i in range(keys)]
        self.count = {key: 0 for key in self.keys}
        self.total = 0

    def next(self, **more):
        key = self.keys[self.total % len(self.keys)]
        self.total += 1
        self.count[key] += 1
        return key, make(key, self.count[key], **more)


class Seen:
    def __init__(self):
        self.lock = threading.Lock()
        self.numbers = {}
        self.most = {}
        self.unique = self.duplicates = self.reordered = 0

    def add(self, payload):
        event = json.loads(payload)
        key, number = event["key"], event["n"]
        with self.lock:
            numbers = self.numbers.setdefault(key, set())
            if number in numbers:
                self.duplicates += 1
                return False
            numbers.add(number)
            self.unique += 1
            # A re-sent event is a duplicate; a first arrival behind a later one is out of order.
            if number < self.most.get(key, 0):
                self.reordered += 1
            self.most[key] = max(number, self.most.get(key, 0))
            return True

    def lost(self, sent):
        with self.lock:
            return {key: sorted(set(range(1, count + 1)) - self.numbers.get(key, set()))
                    for key, count in sent.count.items()
                    if len(self.numbers.get(key, ())) < count}

    def missing(self, sent):
        return sum(len(numbers) for numbers in self.lost(sent).values())

    def check(self, sent, duplicates=None, ordered=True):
        """duplicates: how many may be (None: any number)."""
        lost = self.lost(sent)
        if lost:
            raise Failure(f"lost {sum(map(len, lost.values()))} of {sent.total}: "
                          + "; ".join(f"{k}: {v[:8]}" for k, v in lost.items()))
        require(not ordered or self.reordered == 0, f"{self.reordered} events out of order")
        require(duplicates is None or self.duplicates <= duplicates,
                f"{self.duplicates} duplicates, allowed: {duplicates}")
