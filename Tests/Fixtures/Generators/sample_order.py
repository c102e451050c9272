# SPDX-License-Identifier: Apache-2.0
"""Writes ../sample_order.json: permutations and lanes by a second implementation.

Run:  python3 sample_order.py      (standard library only)
Written from the description: keyed SplitMix64 counters (Steele, Lea, Flood 2014), bounded draws by
multiply-high (Lemire 2019, without rejection), Fisher-Yates from the end, lanes by stride.
"""

import json
import pathlib
import platform

M64 = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
SAMPLE_ORDER = 2


def mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
    return z ^ (z >> 31)


def permutation(seed: int, epoch: int, count: int) -> list[int]:
    key = mix((seed + GOLDEN) & M64)
    key = mix(key ^ (SAMPLE_ORDER * GOLDEN & M64))
    key = mix((key + GOLDEN + mix((epoch + GOLDEN) & M64)) & M64)
    places = list(range(count))
    drawn = 0
    for last in range(count - 1, 0, -1):
        drawn += 1
        number = mix((key + drawn * GOLDEN) & M64)
        other = (number * (last + 1)) >> 64
        places[last], places[other] = places[other], places[last]
    return places


def lanes(seed: int, count: int, lane_count: int, rows: int, step: int) -> list[list[int]]:
    size = lane_count * rows
    steps_per_epoch = -(-count // size)
    epoch, step_in_epoch = divmod(step - 1, steps_per_epoch)
    batch = permutation(seed, epoch, count)[step_in_epoch * size:(step_in_epoch + 1) * size]
    return [batch[lane::lane_count] for lane in range(lane_count)]


def main() -> None:
    cases = []
    for seed, count, lane_count, rows, steps in [
            (0, 1, 1, 1, [1, 2]), (7, 10, 2, 2, [1, 2, 3, 4, 6]), (7, 37, 8, 2, [1, 2, 3, 4, 30]),
            (M64, 100, 3, 5, [1, 7, 8, 700]), (2022, 64, 4, 8, [1, 2, 3])]:
        for step in steps:
            cases.append({"seed": str(seed), "clipCount": count, "laneCount": lane_count,
                          "microbatchSize": rows, "step": step,
                          "lanes": lanes(seed, count, lane_count, rows, step)})
    result = {"generator": f"sample_order.py, Python {platform.python_version()}", "cases": cases}
    path = pathlib.Path(__file__).parent.parent / "sample_order.json"
    path.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
