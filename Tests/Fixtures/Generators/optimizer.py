# SPDX-License-Identifier: Apache-2.0
"""Writes ../optimizer.json: AdamW, the learning-rate schedule and the gradient norm, in float64.

Run:  python3 optimizer.py      (Python 3, numpy 2.4.6)
AdamW as in torch.optim.AdamW (decay first, epsilon outside the corrected root), learning rate by
update; two entries of which only the first decays. The schedule is written from its definition in
the documentation of LearningRateSchedule.
"""

import json
import math
import pathlib
import platform

import numpy as np

BETA1, BETA2, EPSILON, DECAY = 0.9, 0.99, 1e-6, 0.1


def adamw(random):
    parameters = [random.normal(size=20), random.normal(size=5)]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    start = [p.tolist() for p in parameters]
    updates = []
    for number in range(1, 11):
        rate, scale = 0.05 / number, 1.0 if number % 3 else 0.25
        gradients = [random.normal(size=p.size) for p in parameters]
        for index, gradient in enumerate(gradients):
            g, (m, v) = gradient * scale, moments[index]
            m = BETA1 * m + (1 - BETA1) * g
            v = BETA2 * v + (1 - BETA2) * g * g
            moments[index] = (m, v)
            p = parameters[index] * (1 - rate * (DECAY if index == 0 else 0))
            corrected = np.sqrt(v / (1 - BETA2**number)) + EPSILON
            parameters[index] = p - rate * (m / (1 - BETA1**number)) / corrected
        updates.append({"learningRate": rate, "gradientScale": scale,
                        "gradients": [g.tolist() for g in gradients],
                        "parameters": [p.tolist() for p in parameters]})
    return {"beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON, "weightDecay": DECAY,
            "start": start, "updates": updates}


def rate(peak, warm_up, count, update):
    if update <= warm_up:
        return peak * update / warm_up
    if update > count:
        return 0.0
    progress = (update - 1 - warm_up) / (count - warm_up)
    return peak * (1 + math.cos(math.pi * progress)) / 2


def schedules():
    return [{"peak": peak, "warmUpSteps": warm_up, "stepCount": count,
             "rates": [rate(peak, warm_up, count, u) for u in range(1, count + 3)]}
            for peak, warm_up, count in ((1e-3, 4, 30), (0.5, 0, 7), (2.0, 5, 5), (1.0, 1, 200))]


def norms(random):
    vectors = [random.normal(size=n).astype(np.float32) * np.float32(10.0) ** (n % 5 - 2)
               for n in (0, 1, 15, 16, 17, 1000)]
    return [{"gradient": v.tolist(), "norm": math.sqrt(math.fsum(float(x) ** 2 for x in v))}
            for v in vectors]


def main():
    random = np.random.default_rng(20261123)
    versions = f"optimizer.py, Python {platform.python_version()}, numpy {np.__version__}"
    result = {"generator": versions, "adamw": adamw(random), "schedules": schedules(),
              "norms": norms(random)}
    path = pathlib.Path(__file__).parent.parent / "optimizer.json"
    path.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
