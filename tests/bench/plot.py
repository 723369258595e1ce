#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Draws what bench.py --json found as SVG files: small, labelled, fit for light and dark pages.

    plot.py FILE FOLDER

throughput.svg, latency.svg, and for each part that shows a cost as work grows one of its name.  A
part that was not measured gets no file."""
import json
import math
import os
import sys
from xml.sax.saxutils import escape

import report

WIDTH, HEIGHT = 380, 290
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 34, 46
KEY_HEIGHT = 26
# Colours that stand out from white and from black; a dash tells the floor from the gateway in print.
SERIES = {(report.MESHGATE, "QoS 0"): ("a", ""), (report.MESHGATE, "QoS 1"): ("b", ""),
          (report.FLOOR, "QoS 0"): ("a", "6 4"), (report.FLOOR, "QoS 1"): ("b", "6 4")}
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #333 }
.title { font-weight: 600 }
.axis { stroke: #555; fill: none }
.grid { stroke: #888; stroke-opacity: .25; fill: none }
.a { stroke: #0969da; fill: #0969da } .b { stroke: #cf5a00; fill: #cf5a00 }
.c { stroke: #1a7f37; fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
text { fill: #ddd } .axis { stroke: #aaa }
.a { stroke: #58a6ff; fill: #58a6ff } .b { stroke: #f0883e; fill: #f0883e }
.c { stroke: #3fb950; fill: #3fb950 }
}
.line { fill: none; stroke-width: 2 }
.bar { stroke: none } .other { fill-opacity: .45 }
"""
PARTS = {"routes": ("routes", "{:,}".format), "payload": ("payload, bytes", report.size),
         "connections": ("source connections", "{:,}".format),
         "fanout": ("sinks of the route", "{:,}".format)}


def short(value):
    for unit, factor in (("M", 1e6), ("k", 1e3)):
        if value >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"


class Axis:
    """From values to a range of pixels; logarithmic, in whole decades, or linear from 0."""

    def __init__(self, values, start, end, logarithmic=True):
        self.start, self.end, self.logarithmic = start, end, logarithmic
        if logarithmic:
            self.least = math.floor(math.log10(min(values)))
            self.most = max(math.ceil(math.log10(max(values))), self.least + 1)
            self.ticks = [10.0 ** power for power in range(self.least, self.most + 1)]
        else:
            step = 10 ** math.floor(math.log10(max(values)))
            step *= 0.2 if max(values) / step < 2 else 0.5 if max(values) / step < 5 else 1
            self.least, self.most = 0, math.ceil(max(values) / step)
            self.ticks = [step * number for number in range(self.most + 1)]
            self.most *= step

    def at(self, value):
        value = math.log10(value) if self.logarithmic else value
        return self.start + (self.end - self.start) * (value - self.least) / (self.most - self.least)


class Picture:
    def __init__(self, width, height, title):
        self.width, self.height, self.title, self.parts = width, height, title, []

    def add(self, text):
        self.parts.append(text)

    def text(self, x, y, words, anchor="middle", css="", turned=False):
        turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
        style = f' class="{css}"' if css else ""
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}{turn}>{escape(words)}</text>')

    def path(self, points, css, dash=""):
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.add(f'<path class="{css}"{dashed} d="M' + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + '"/>')

    def write(self, path):
        with open(path, "w", encoding="utf-8") as out:
            out.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                      f'width="{self.width}" height="{self.height}" role="img">\n'
                      f"<title>{escape(self.title)}</title>\n<style>{STYLE}</style>\n" +
                      "\n".join(self.parts) + "\n</svg>\n")


def draw_panel(picture, left, title, label_x, lines, name_x, log_y):
    """lines: (css, dash, points of x and y)."""
    all_x = sorted({x for _, _, points in lines for x, _ in points})
    all_y = [y for _, _, points in lines for _, y in points]
    bottom, right = HEIGHT - BOTTOM, left + WIDTH - RIGHT
    x_axis = Axis(all_x, left + LEFT, right)
    x_axis.least, x_axis.most = math.log10(all_x[0]), math.log10(all_x[-1])
    y_axis = Axis(all_y, bottom, TOP, log_y)
    picture.text(left + LEFT, TOP - 14, title, "start", "title")
    for tick in y_axis.ticks:
        y = y_axis.at(tick)
        picture.path([(left + LEFT, y), (right, y)], "grid")
        picture.text(left + LEFT - 6, y + 4, short(tick), "end")
    for tick in all_x:
        x = x_axis.at(tick)
        picture.path([(x, bottom), (x, bottom + 4)], "axis")
        picture.text(x, bottom + 18, name_x(tick), "end" if tick == all_x[-1] else "middle")
    picture.path([(left + LEFT, TOP), (left + LEFT, bottom), (right, bottom)], "axis")
    picture.text((left + LEFT + right) / 2, HEIGHT - 10, label_x)
    for css, dash, points in lines:
        at = [(x_axis.at(x), y_axis.at(y)) for x, y in points]
        picture.path(at, f"line {css}", dash)
        for x, y in at:
            picture.add(f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')


def draw_key(picture, entries, y):
    x = LEFT
    for name, css, dash in entries:
        picture.path([(x, y - 4), (x + 26, y - 4)], f"line {css}", dash)
        picture.text(x + 32, y, name, "start")
        x += 48 + 7 * len(name)


def series(found, part, key):
    """Those that can be drawn, with their points."""
    for (subject, group), (css, dash) in SERIES.items():
        points = sorted((row["x"], row[key]) for row in found.rows(part, group)
                        if row["subject"] == subject and row["x"] and row.get(key))
        if len(points) > 1:
            yield f"{subject}, {group}", css, dash, points


def growth(found, part, folder):
    label, name = PARTS[part]
    rates, costs = (list(series(found, part, key)) for key in ("rate", "cpu_us"))
    if not rates or not costs:
        return
    picture = Picture(2 * WIDTH, HEIGHT + KEY_HEIGHT, f"{part}: events per second and CPU per event")
    draw_panel(picture, 0, "events/s", label, [line[1:] for line in rates], name, True)
    draw_panel(picture, WIDTH, "forwarder's CPU, µs per event", label, [line[1:] for line in costs],
               name, True)
    draw_key(picture, [line[:3] for line in rates], HEIGHT + KEY_HEIGHT - 8)
    picture.write(os.path.join(folder, part + ".svg"))


def draw_bars(picture, left, top, width, bars, axis_values, unit, logarithmic):
    """bars: (name, [(css, value)]), each name a row of bars."""
    label, row, bar = 168, 22, 16
    axis = Axis(axis_values, left + label, left + width - 54, logarithmic)
    y = top
    for name, values in bars:
        picture.text(left + label - 8, y + bar - 3, name, "end")
        for css, value, words in values:
            if value:
                end = axis.at(value)
                picture.add(f'<rect class="bar {css}" x="{axis.start:.1f}" y="{y}" '
                            f'width="{max(end - axis.start, 1):.1f}" height="{bar}"/>')
                picture.text(end + 5, y + bar - 3, words, "start")
            y += row
    picture.path([(axis.start, top - 4), (axis.start, y)], "axis")
    for tick in axis.ticks:
        picture.path([(axis.at(tick), top - 4), (axis.at(tick), y)], "grid")
        picture.text(axis.at(tick), y + 14, short(tick))
    picture.text((axis.start + axis.end) / 2, y + 32, unit)


def throughput(found, folder):
    groups = found.groups("mqtt")
    if not groups:
        return
    rows = max(len(found.rows("mqtt", group)) for group in groups)
    picture = Picture(2 * 440, 22 * rows + 84, "MQTT to MQTT: events per second of each forwarder")
    most = max(row["rate"] for row in found.rows("mqtt"))
    for number, group in enumerate(groups):
        picture.text(440 * number + 168, 18, f"MQTT to MQTT, 256 B, {group}", "start", "title")
        bars = [(row["subject"],
                 [("b" if row["subject"] == report.MESHGATE else "a other", row["rate"],
                   short(round(row["rate"], -2)))]) for row in found.rows("mqtt", group)]
        draw_bars(picture, 440 * number, 34, 440, bars, [most], "events/s", False)
    picture.write(os.path.join(folder, "throughput.svg"))


def latency(found, folder):
    groups = found.groups("latency")
    if not groups:
        return
    keys = (("p50_us", "a", "p50"), ("p99_us", "b", "p99"), ("p999_us", "c", "p99.9"))
    values = [row[key] for row in found.rows("latency") for key, _, _ in keys if row[key]]
    rows = max(len(found.rows("latency", group)) for group in groups)
    picture = Picture(2 * 440, 66 * rows + 84, "Latency at 1,000 events per second")
    for number, group in enumerate(groups):
        picture.text(440 * number + 168, 18, f"latency at 1,000 events/s, {group}", "start", "title")
        bars = [(row["subject"], [(css, row[key], f"{name} {row[key]:,.0f}") for key, css, name in keys])
                for row in found.rows("latency", group)]
        draw_bars(picture, 440 * number, 34, 440, bars, values, "µs, logarithmic", True)
    picture.write(os.path.join(folder, "latency.svg"))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as source:
        found = report.Found(json.load(source))
    folder = sys.argv[2]
    os.makedirs(folder, exist_ok=True)
    throughput(found, folder)
    latency(found, folder)
    for part in PARTS:
        growth(found, part, folder)


if __name__ == "__main__":
    main()
