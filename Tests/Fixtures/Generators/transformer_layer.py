# SPDX-License-Identifier: Apache-2.0
"""Writes ../transformer_layer.json: a post-norm and a pre-norm transformer layer in float64.

Run:  python3 transformer_layer.py      (Python 3, numpy 2.4.6)
Written from the papers (Vaswani et al. 2017; Devlin et al. 2018; Dosovitskiy et al. 2020), not from
our code. Gradients of sum(output * cotangent) are central differences with a step of 1e-5, whose
error is near 1e-10. Every sequence is computed by itself: [T, D] in, [T, D] out.
"""

import json
import math
import pathlib
import platform

import numpy as np

WIDTH, HEADS, FEED_FORWARD, EPSILON, LENGTHS = 8, 2, 12, 1e-5, (3, 0, 1, 4)
STEP = 1e-5
erf = np.vectorize(math.erf, otypes=[float])


def parameters(random):
    shapes = {}
    for part in ("query", "key", "value", "output"):
        shapes[f"layer.attention.{part}.weight"] = (WIDTH, WIDTH)
        shapes[f"layer.attention.{part}.bias"] = (WIDTH,)
    for part, rows, columns in (
            ("intermediate", FEED_FORWARD, WIDTH), ("output", WIDTH, FEED_FORWARD)):
        shapes[f"layer.{part}.weight"] = (rows, columns)
        shapes[f"layer.{part}.bias"] = (rows,)
    for part in ("attention.norm", "output.norm"):
        shapes[f"layer.{part}.weight"] = (WIDTH,)
        shapes[f"layer.{part}.bias"] = (WIDTH,)
    return {name: random.uniform(-1, 1, size=shape).astype(np.float32).astype(float)
            for name, shape in shapes.items()}


def linear(p, name, x):
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def norm(p, name, x):
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
    return centred / deviation * p[f"{name}.weight"] + p[f"{name}.bias"]


def attention(p, x):
    q, k, v = (linear(p, f"layer.attention.{part}", x) for part in ("query", "key", "value"))
    heads = []
    for h in np.split(np.arange(WIDTH), HEADS):
        scores = q[:, h] @ k[:, h].T / math.sqrt(len(h))
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        heads.append(weights / weights.sum(-1, keepdims=True) @ v[:, h])
    return linear(p, "layer.attention.output", np.concatenate(heads, -1))


def feed_forward(p, x):
    inner = linear(p, "layer.intermediate", x)
    return linear(p, "layer.output", inner * 0.5 * (1 + erf(inner / math.sqrt(2))))


def layer(p, x, kind):
    if kind == "post":
        x = norm(p, "layer.attention.norm", x + attention(p, x))
        return norm(p, "layer.output.norm", x + feed_forward(p, x))
    x = x + attention(p, norm(p, "layer.attention.norm", x))
    return x + feed_forward(p, norm(p, "layer.output.norm", x))


def all_sequences(p, x, kind):
    pieces = np.split(x, np.cumsum(LENGTHS)[:-1])
    return np.concatenate([layer(p, piece, kind) for piece in pieces if len(piece)])


def differences(p, x, cotangent, kind):
    def loss():
        return float((all_sequences(p, x, kind) * cotangent).sum())

    result = {}
    for name, values in [("input", x), *p.items()]:
        gradient = np.zeros(values.size)
        flat = values.reshape(-1)
        for i in range(flat.size):
            kept = flat[i]
            flat[i] = kept + STEP
            above = loss()
            flat[i] = kept - STEP
            gradient[i] = (above - loss()) / (2 * STEP)
            flat[i] = kept
        result[name] = gradient.tolist()
    return result


def main():
    random = np.random.default_rng(20261123)
    versions = f"transformer_layer.py, Python {platform.python_version()}, numpy {np.__version__}"
    cases = []
    for kind in ("post", "pre"):
        p = parameters(random)
        x, cotangent = (random.uniform(-1, 1, size=(sum(LENGTHS), WIDTH)).astype(np.float32)
                        .astype(float) for _ in range(2))
        cases.append({
            "normalization": kind, "width": WIDTH, "headCount": HEADS,
            "feedForwardWidth": FEED_FORWARD, "epsilon": EPSILON, "lengths": LENGTHS,
            "parameters": {name: v.reshape(-1).tolist() for name, v in p.items()},
            "input": x.reshape(-1).tolist(), "cotangent": cotangent.reshape(-1).tolist(),
            "output": all_sequences(p, x, kind).reshape(-1).tolist(),
            "gradients": differences(p, x, cotangent, kind)})
    path = pathlib.Path(__file__).parent.parent / "transformer_layer.json"
    path.write_text(
        json.dumps({"generator": versions, "cases": cases}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
