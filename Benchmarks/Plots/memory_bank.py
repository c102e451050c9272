# SPDX-License-Identifier: Apache-2.0
"""Draws R@1 of the memory-bank experiment and prints its table.

Run:  python3 memory_bank.py build/experiments/bank docs/figures/memory-bank.svg  (matplotlib 3.11)
"""

import json
import pathlib
import statistics
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "accord"  # equal input, equal file
import matplotlib.pyplot as plt  # noqa: E402


def percent(values):
    mean = f"{100 * statistics.mean(values):.1f}"
    if len(values) < 2:
        return f"{mean} %"
    return f"{mean} ± {100 * statistics.stdev(values):.1f} %"


def main():
    runs = {}
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*-seed-*.json")):
        found = json.loads(path.read_text())
        runs.setdefault(found["name"], []).append(found)
    print("| configuration | seeds | R@1, mean of both directions | R@5 | alignment "
          "| uniformity of texts, videos | mean age of keys |")
    print("|---|---|---|---|---|---|---|")
    recalls = {}
    for name, seeds in runs.items():
        reports = [seed["evaluation"] for seed in seeds]

        def both(key):
            return [(report["textToVideo"][key] + report["videoToText"][key]) / 2
                    for report in reports]

        def mean(key):
            return f"{statistics.mean(report[key] for report in reports):.2f}"

        ages = [bank["meanAge"] for report in reports for bank in report["banks"]
                if bank.get("meanAge") is not None]
        age = f"{statistics.mean(ages):.1f}" if ages else "-"
        recalls[name] = both("recallAt1")
        recall = f"{percent(recalls[name])} | {percent(both('recallAt5'))}"
        uniformity = f"{mean('textUniformity')}, {mean('videoUniformity')}"
        print(f"| {name} | {len(seeds)} | {recall} | {mean('alignment')} | {uniformity} | {age} |")
    figure, axes = plt.subplots(figsize=(8, 0.3 * len(recalls) + 1.2))
    for place, (name, values) in enumerate(reversed(recalls.items())):
        axes.plot([100 * value for value in values], [place] * len(values), "o", color="#4878a8",
                  alpha=0.6, markersize=4)
        axes.plot([100 * statistics.mean(values)], [place], "|", color="black", markersize=14)
    axes.set_yticks(range(len(recalls)), list(reversed(recalls)), fontsize=8)
    axes.set_xlabel("R@1 of held-out clips, mean of both directions, %; each dot a seed")
    axes.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    figure.savefig(sys.argv[2], metadata={"Date": None})


if __name__ == "__main__":
    main()
