#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The checker itself: it finds each kind of fault, and accuses nobody who is right."""
import sys
import unittest

from checker import RECENT, Books, Checker, Found, payload


def sent(count, keys=2):
    checker = Checker(keys)
    return checker, [checker.next() for _ in range(count)]


def deliver(checker, events, marked=False):
    for _, _, body in events:
        checker.arrived(body, marked)


class Arrivals(unittest.TestCase):
    def test_all_in_order_is_fine(self):
        checker, events = sent(300)
        deliver(checker, events)
        checker.check(duplicates=0, deepest=0, all_marked=True)
        self.assertEqual(checker.missing(), 0)

    def test_keys_may_overtake_each_other(self):
        checker, events = sent(20)
        deliver(checker, events[1::2] + events[0::2])
        checker.check(duplicates=0)

    def test_a_lost_event(self):
        checker, events = sent(20)
        deliver(checker, events[:6] + events[7:])
        self.assertEqual(checker.lost(), {"k0": [4]})
        with self.assertRaisesRegex(Found, r"1 of 20 lost: k0 \[4\]"):
            checker.check()

    def test_a_lost_tail(self):
        checker, events = sent(20)
        deliver(checker, events[:-1])
        with self.assertRaisesRegex(Found, r"1 of 20 lost: k1 \[10\]"):
            checker.check()

    def test_nothing_arrived(self):
        checker, _ = sent(4)
        self.assertEqual(checker.lost(), {"k0": [1, 2], "k1": [1, 2]})

    def test_a_duplicate_does_not_hide_a_loss(self):
        checker, events = sent(4, keys=1)
        deliver(checker, [events[0], events[0], events[2], events[3]])
        self.assertEqual(checker.missing(), 1)
        self.assertEqual(checker.lost(), {"k0": [2]})

    def test_duplicates_are_counted_against_what_is_allowed(self):
        checker, events = sent(10, keys=1)
        deliver(checker, events + events[7:])
        checker.check(duplicates=3)
        with self.assertRaisesRegex(Found, "3 duplicates of 10 events, allowed: 2: k0 8"):
            checker.check(duplicates=2)

    def test_a_repeated_suffix_is_no_disorder(self):
        checker, events = sent(10, keys=1)
        deliver(checker, events[:8] + events[4:])
        checker.check()
        self.assertEqual(checker.deepest, 3)

    def test_a_first_arrival_behind_a_later_one(self):
        checker, events = sent(10, keys=1)
        deliver(checker, events[:3] + [events[4], events[3]] + events[5:])
        with self.assertRaisesRegex(Found, "1 out of order: k0 4 after 5"):
            checker.check()
        checker.check(ordered=False)

    def test_a_duplicate_from_long_ago(self):
        checker, events = sent(100, keys=1)
        deliver(checker, events + events[:1])
        with self.assertRaisesRegex(Found, "99 events late"):
            checker.check(deepest=50)

    def test_a_duplicate_from_before_what_is_remembered(self):
        checker, events = sent(RECENT + 10, keys=1)
        deliver(checker, events + events[:1])
        self.assertEqual(checker.deepest, RECENT)

    def test_a_duplicate_that_is_not_marked(self):
        checker, events = sent(10, keys=1)
        deliver(checker, events)
        deliver(checker, events[8:9], marked=True)
        checker.check(all_marked=True)
        deliver(checker, events[9:])
        with self.assertRaisesRegex(Found, "1 twice and not marked: k0 10"):
            checker.check(all_marked=True)

    def test_a_changed_payload(self):
        checker, events = sent(2, keys=1)
        checker.arrived(events[0][2].replace(b"x", b"y", 1))
        checker.arrived(events[1][2])
        with self.assertRaisesRegex(Found, "1 changed: k0 1"):
            checker.check()

    def test_a_torn_payload(self):
        checker, events = sent(1, keys=1)
        checker.arrived(events[0][2])
        checker.arrived(events[0][2][:20])
        with self.assertRaisesRegex(Found, "1 changed"):
            checker.check()

    def test_an_event_that_nobody_sent(self):
        checker, events = sent(2, keys=1)
        deliver(checker, events)
        checker.arrived(payload("k0", 3))
        with self.assertRaisesRegex(Found, "1 never sent: k0 3"):
            checker.check()


def line(**named):
    return {"route": "r", "balanced": True, "received": 0, "delivered": 0, "in_flight": 0, **named}


class Ledgers(unittest.TestCase):
    def test_a_balance(self):
        Books("gw", True).look([line(received=5, delivered=2, stored=3)])

    def test_an_imbalance_that_the_gateway_denies(self):
        with self.assertRaisesRegex(Found, "does not balance"):
            Books("gw", True).look([line(received=5, delivered=2, stored=2)])

    def test_an_imbalance_that_the_gateway_admits(self):
        with self.assertRaisesRegex(Found, "does not balance"):
            Books("gw", True).look([line(received=5, delivered=5, balanced=False)])

    def test_a_kept_ledger_does_not_go_back(self):
        books = Books("gw", True)
        books.look([line(received=5, delivered=5)])
        with self.assertRaisesRegex(Found, "went back: received from 5 to 4"):
            books.look([line(received=4, delivered=4)])

    def test_a_ledger_in_memory_may_begin_anew(self):
        books = Books("gw", False)
        books.look([line(received=5, delivered=5)])
        books.look([line()])

    def test_the_end(self):
        Books("gw", True).end([line(received=7, delivered=6, dropped=1)], 6)
        for left in ("in_flight", "stored", "dead_lettered", "discarded", "expired"):
            with self.assertRaisesRegex(Found, f"1 {left}"):
                Books("gw", True).end([line(**{"received": 7, "delivered": 6, left: 1})], 6)
        with self.assertRaisesRegex(Found, "5 delivered, 6 sent"):
            Books("gw", True).end([line(received=5, delivered=5)], 6)


def main():
    result = unittest.TextTestRunner(verbosity=0).run(
        unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__]))
    failed = len(result.failures) + len(result.errors)
    print(f"faults-checker: {result.testsRun - failed} passed, {failed} failed", flush=True)
    return 0 if result.testsRun and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
