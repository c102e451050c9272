# SPDX-License-Identifier: Apache-2.0
"""Draws what `benchmarks loss-curves` prints, and how far each run is from the first one.

Above the losses, below the absolute differences to the first run, on a logarithmic scale. Prints
the mean and the largest difference of each run as a table for docs/numerics.md. Needs Python alone.
usage: loss_curves.py losses.csv loss-curves.svg
"""
import csv
import math
import sys

WIDTH, LEFT, RIGHT = 760, 62, 150
PANELS = [(20, 170), (225, 425)]  # top and bottom
COLOURS = ["#222222", "#8c8c8c", "#1f77b4", "#2ca02c", "#d62728", "#9467bd"]
SMALLEST = 1e-9  # what is drawn for equal losses


class Panel:
    """A rectangle with a scale of its own; `place` gives the position of a step and a value."""

    def __init__(self, top, bottom, steps, low, high):
        self.top, self.bottom, self.steps, self.low, self.high = top, bottom, steps, low, high

    def x(self, step):
        first, last = self.steps[0], self.steps[-1]
        return LEFT + (step - first) / max(1, last - first) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - share * (self.bottom - self.top)

    def frame(self, title, marks):
        right = WIDTH - RIGHT
        yield (f'<rect x="{LEFT}" y="{self.top}" width="{right - LEFT}" '
               f'height="{self.bottom - self.top}" fill="none" stroke="#bbbbbb"/>')
        yield f'<text x="{LEFT}" y="{self.top - 6}">{title}</text>'
        for value, text in marks:
            y = self.y(value)
            yield f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#eeeeee"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'

    def curve(self, values, colour):
        points = " ".join(
            f"{self.x(step):.1f},{self.y(value):.1f}" for step, value in zip(self.steps, values))
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.3"/>'

    def label(self, index, name, colour):
        x, y = WIDTH - RIGHT + 10, self.top + 14 + 17 * index
        yield f'<path d="M{x} {y - 4}h18" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{x + 24}" y="{y}">{name}</text>'


def read(path):
    with open(path, newline="") as file:
        lines = file.read().splitlines()
    rows = list(csv.reader(line for line in lines if not line.startswith("#")))
    steps = [int(row[0]) for row in rows[1:]]
    losses = {name: [float(row[1 + place]) for row in rows[1:]]
              for place, name in enumerate(rows[0][1:])}
    return steps, losses, [line for line in lines if line.startswith("#")]


def draw(steps, losses, differences):
    highest = math.ceil(max(max(values) for values in losses.values()))
    upper = Panel(*PANELS[0], steps, 0, highest)
    yield from upper.frame("loss", [(mark, mark) for mark in range(0, highest + 1, 2)])
    # Only what can be told apart: the last run is the one with another arithmetic.
    names = list(losses)
    for index, name in enumerate([names[0], names[-1]]):
        colour = COLOURS[names.index(name)]
        yield from upper.curve(losses[name], colour)
        yield from upper.label(index, name, colour)
    exponents = range(-9, 1)
    lower = Panel(*PANELS[1], steps, exponents[0], exponents[-1])
    yield from lower.frame(f"|difference of the loss to {names[0]}|",
                           [(mark, f"1e{mark}") for mark in exponents])
    for index, (name, values) in enumerate(differences.items()):
        colour = COLOURS[names.index(name)]
        logs = [math.log10(min(1, max(SMALLEST, value))) for value in values]
        yield from lower.curve(logs, colour)
        yield from lower.label(index, name, colour)
    for step in (steps[0], steps[len(steps) // 2], steps[-1]):
        yield (f'<text x="{lower.x(step):.1f}" y="{lower.bottom + 16}" '
               f'text-anchor="middle">{step}</text>')
    yield (f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{lower.bottom + 32}" '
           'text-anchor="middle">step</text>')


def main(source, target):
    steps, losses, remarks = read(source)
    reference, *others = losses
    differences = {
        name: [abs(a - b) for a, b in zip(losses[name], losses[reference])] for name in others}
    height = PANELS[1][1] + 40
    with open(target, "w") as file:
        file.write("<!-- SPDX-License-Identifier: Apache-2.0; Benchmarks/Plots/loss_curves.py -->\n"
                   f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
                   'font-family="sans-serif" font-size="12">\n'
                   f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n')
        for line in draw(steps, losses, differences):
            file.write(line + "\n")
        file.write("</svg>\n")
    print(f"| {len(steps)} steps | mean | max | mean of the last tenth | last loss |")
    print("|---|---|---|---|---|")
    for name in losses:
        values = differences.get(name)
        tail = max(1, len(steps) // 10)
        columns = ["-"] * 3 if values is None else [
            f"{sum(values) / len(values):.1e}", f"{max(values):.1e}",
            f"{sum(values[-tail:]) / tail:.1e}"]
        print(f"| {name} | {' | '.join(columns)} | {losses[name][-1]:.4f} |")
    print("\n".join(remarks))


main(*sys.argv[1:])
