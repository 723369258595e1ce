#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the benchmark says of what it measured: tables between markers, pictures, the soak's verdict."""
import os
import sys
import tempfile
import xml.etree.ElementTree as xml

import plot
import report
import soak


def row(part, group, subject, rate, cpu_us, **more):
    found = {"part": part, "group": group, "subject": subject, "x": None, "runs": 3, "rate": rate,
             "cpu_us": cpu_us, "chain_cpu_us": 20.0, "p50_us": 100.0, "p99_us": 200.0,
             "p999_us": 300.0, "start_ms": 5.0, "rss_kib": 8192, "lost": 0, "dup": 0,
             "out_of_order": 0, "busy": {"forwarder": 0.4, "sink broker": 0.95}}
    return dict(found, **more)


def sample():
    rows = [row("mqtt", "QoS 0", report.FLOOR, 100000, 2.0),
            row("mqtt", "QoS 0", report.MESHGATE, 95000, 2.5),
            row("latency", "QoS 0", report.FLOOR, 1000, 2.0),
            row("latency", "QoS 0", report.MESHGATE, 1000, 2.5, p99_us=250.0)]
    for count in (1, 100):
        rows += [row("fanout", "QoS 1", name, 50000 * count, 3.0, x=count)
                 for name in (report.FLOOR, report.MESHGATE)]
    return {"machine": {"cpu": "?", "cores": 2, "kernel": "1", "packages": {}}, "load": [0, 0],
            "quick": False, "rounds": 3, "seconds": 1, "floor": "f", "tool": "t", "facts": {},
            "rows": rows, "errors": []}


def ratios_stand_beside_the_floor():
    text = "\n".join(report.ratios(report.Found(sample())))
    assert "| QoS 0: meshgate | 0.95 |  |  | +0.50 | 1.25 |" in text, text
    assert "| QoS 0: meshgate | 1.00 | 1.25 | 1.00 |" in text, text


def stored_stands_beside_direct():
    found = sample()
    found["rows"] += [row("stored", "to MQTT", report.DIRECT, 40000, 8.0),
                      row("stored", "to MQTT", report.ALWAYS, 30000, 12.0),
                      row("storedlatency", "to MQTT", report.DIRECT, 1000, 8.0),
                      row("storedlatency", "to MQTT", report.ALWAYS, 1000, 8.0, p99_us=1450.0)]
    found["facts"]["sync"] = {"p50_us": 900.0, "p99_us": 2100.0}
    text = "\n".join(report.stored(report.Found(found)))
    assert "| stored, sync: always | 30,000 | 0.75 | 0.70 | 12.00 | 1.50 |" in text, text
    assert "| stored, sync: always | 100 | +0 | 1,450 | +1,250 |" in text, text
    assert "900 µs" in text and "2,100 µs" in text, text
    assert not report.recovery(report.Found(found))


def the_busy_process_is_named():
    found = report.Found(sample())
    assert found.limit({"busy": {"forwarder": 0.4, "sink broker": 0.95}}) == "one core: sink broker"
    assert found.limit({"busy": {"a": 0.9, "b": 0.95}}).startswith("all cores: b 95 %")
    assert found.limit({"busy": {"a": 0.1}}).startswith("nothing")


def losses_are_said():
    found = sample()
    found["rows"][1]["lost"] = 7
    assert "1 rows lost events" in report.markdown(found)
    assert "mqtt QoS 0 meshgate" in "\n".join(report.run(report.Found(found)))


def a_page_keeps_what_is_not_measured():
    page = ("before\n<!-- bench: mqtt -->\nold\n<!-- /bench -->\nbetween\n"
            "<!-- bench: idle -->\nkept\n<!-- /bench -->\nafter\n")
    text = report.written(sample(), page)
    assert "old" not in text and "| meshgate | 95,000 |" in text and "kept" in text, text
    assert text.startswith("before\n<!-- bench: mqtt -->\n") and text.endswith("after\n"), text
    assert report.written(sample(), text) == text, "writing twice changes the page"
    try:
        report.written(sample(), "<!-- bench: nonsense -->\n<!-- /bench -->\n")
    except SystemExit:
        return
    raise AssertionError("an unknown section was taken")


def pictures_are_well_formed():
    with tempfile.TemporaryDirectory() as folder:
        found = report.Found(sample())
        plot.throughput(found, folder)
        plot.latency(found, folder)
        plot.growth(found, "fanout", folder)
        plot.growth(found, "routes", folder)
        assert sorted(os.listdir(folder)) == ["fanout.svg", "latency.svg", "throughput.svg"]
        for name in os.listdir(folder):
            picture = xml.parse(os.path.join(folder, name)).getroot()
            assert picture.tag.endswith("svg") and "nan" not in xml.tostring(picture, "unicode")


def axes_cover_their_values():
    for values, logarithmic in (([1, 1], True), ([16, 1048576], True), ([3, 99], False), ([50], False)):
        axis = plot.Axis(values, 0, 100, logarithmic)
        assert all(0 <= axis.at(value) <= 100.001 for value in values), values
        assert len(axis.ticks) >= 2, values


def memory_that_grows_is_not_flat():
    even = [(second, 9000 + second % 3) for second in range(240)]
    found = soak.verdict(even, 4)
    assert found["flat"] and found["samples"] == 180 and abs(found["slope_kib_per_min"]) < 5, found
    found = soak.verdict([(second, 9000 + 10 * second) for second in range(240)], 4)
    assert not found["flat"] and abs(found["slope_kib_per_min"] - 600) < 1, found
    # What grows in the warm-up alone does not count.
    assert soak.verdict([(second, 9000 + 100 * min(second, 59)) for second in range(240)], 4)["flat"]
    try:
        soak.verdict(even[:10], 1)
    except RuntimeError:
        return
    raise AssertionError("too few samples gave a verdict")


TESTS = (ratios_stand_beside_the_floor, stored_stands_beside_direct, the_busy_process_is_named, losses_are_said,
         a_page_keeps_what_is_not_measured, pictures_are_well_formed, axes_cover_their_values,
         memory_that_grows_is_not_flat)


def main():
    passed = 0
    for test in TESTS:
        try:
            test()
            passed += 1
        except Exception as error:  # pylint: disable=broad-except
            print(f"FAIL {test.__name__}: {type(error).__name__}: {error}")
    print(f"bench-report: {passed} passed, {len(TESTS) - passed} failed")
    return 0 if passed == len(TESTS) else 1


if __name__ == "__main__":
    sys.exit(main())
