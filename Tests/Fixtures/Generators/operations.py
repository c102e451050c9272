# SPDX-License-Identifier: Apache-2.0
"""Writes ../operations.safetensors: every operation of the tape, and its gradients, in float64.

Run:  python3 operations.py     (torch 2.13.0, numpy 2.4.6, safetensors 0.8.0)
operations.safetensors says in its metadata which versions wrote it. Functions of
torch.nn.functional where there are any; gradients by autograd, of sum(output * cotangent). Names,
shapes and constants are those of the table in OperationCase.swift. Inputs and cotangents are not
in the file: `numbers` is a formula in integers, which the test evaluates, too. Results are rounded
to f32.
"""

import pathlib
import platform

import numpy as np
import safetensors
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch.utils.checkpoint import checkpoint

EPSILON = float(np.float32(1e-3))
RECOMPUTED_WEIGHT = torch.tensor([(i * 5 % 7) / 4 - 0.75 for i in range(16)]).double().view(4, 4)
KEYS = torch.tensor([(i * 37 + 11) % 29 for i in range(28)], dtype=torch.float32) / 14.5 - 1
KEYS = KEYS.double().view(7, 4)
TEACHERS = torch.tensor([(i * 17 + 5) % 23 for i in range(12)], dtype=torch.float32) / 11.5 - 1
TEACHERS = TEACHERS.double().view(3, 4)
MANY_KEYS = torch.tensor([(i * 7919 + 11) % 1021 for i in range(8400)], dtype=torch.float32)
MANY_KEYS = (MANY_KEYS / 510.5 - 1).double().view(2100, 4)


def numbers(tensor, shape):
    """Multiples of 2^-22 from -2 to 2, so exact in f32; every tensor of a case has its own."""
    hashes = (np.arange(int(np.prod(shape)), dtype=np.uint64) + 1 + (tensor << 16)) * 2654435761
    hashes %= 1 << 32
    hashes ^= hashes >> 15
    hashes = hashes * 2246822519 % (1 << 32)
    return torch.from_numpy((hashes >> 8).astype(float) / (1 << 22) - 2).view(*shape)


def feed_forward(activation):
    def run(x, weight, bias, second_weight, second_bias, residual):
        inner = activation(F.linear(x, weight, bias))
        return residual + F.linear(inner, second_weight, second_bias)

    return run


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


def attention(lengths, heads):
    def run(query, key, value):
        results = []
        for q, k, v in zip(*(x.split(lengths) for x in (query, key, value))):
            q, k, v = (x.unflatten(1, (heads, -1)).transpose(0, 1) for x in (q, k, v))
            if q.shape[1]:
                mixed = F.scaled_dot_product_attention(q, k, v)  # [heads, T, H]
                results.append(mixed.transpose(0, 1).flatten(1))
        return torch.cat(results)

    return run


def mean_pool(x):
    return torch.stack([part.mean(0) if len(part) else torch.zeros(3).double()
                        for part in x.split([2, 0, 3])])


def combine_rows(x):
    return torch.tensor([[0.5, -1, 0.25], [0, 2, 1]]).double() @ x


def cross_entropy(logits):
    losses = F.cross_entropy(logits, torch.tensor([17, 0, 2, 9]), reduction="none")
    return (losses * torch.tensor([0.5, 0, 1, 0.25])).sum().view(1)


def contrastive(queries):
    excluded = torch.zeros(3, 7, dtype=torch.bool)
    excluded[0, [0, 3]] = excluded[2, 2] = True
    logits = (queries @ KEYS.T / 0.25).masked_fill(excluded, -torch.inf)
    losses = F.cross_entropy(logits, torch.tensor([1, 0, 6]), reduction="none")
    return (losses * torch.tensor([0.5, 0, 1])).sum().view(1)


def learned(queries, logarithm):
    return contrastive(queries * torch.exp(-logarithm))


def negatives_alone(queries):
    excluded = torch.zeros(3, 7, dtype=torch.bool)
    excluded[0, [0, 3]] = excluded[2, 2] = True
    targets = torch.tensor([1, 0, 6])
    scores = queries @ KEYS.T / 0.25
    excluded[torch.arange(3), targets] = True
    losses = torch.logsumexp(scores.masked_fill(excluded, -torch.inf), 1)
    losses = losses - scores[torch.arange(3), targets]
    return (losses * torch.tensor([0.5, 0, 1])).sum().view(1)


def taught(queries):
    excluded = torch.zeros(3, 7, dtype=torch.bool)
    excluded[0, [0, 3]] = excluded[2, 2] = True
    scores, soft = (
        (x @ KEYS.T / 0.25).masked_fill(excluded, -torch.inf) for x in (queries, TEACHERS))
    targets = 0.6 * F.one_hot(torch.tensor([1, 0, 6]), 7) + 0.4 * soft.softmax(1)
    log_p = torch.log_softmax(scores, 1).masked_fill(excluded, 0)
    return (-(targets * log_p).sum(1) * torch.tensor([0.5, 0, 1])).sum().view(1)


def in_pieces(queries):
    column = torch.arange(2100)
    first, third = column % 7 == 3, (column % 7 != 3) & (column % 8 == 2)
    excluded = torch.stack([first, torch.zeros_like(first), third])
    targets = torch.tensor([1500, 2, 2099])
    excluded[torch.arange(3), targets] = False
    logits = (queries @ MANY_KEYS.T / 0.25).masked_fill(excluded, -torch.inf)
    losses = F.cross_entropy(logits, targets, reduction="none")
    return (losses * torch.tensor([0.5, 0, 1])).sum().view(1)


def recomputed(x):
    def body(x):
        return x + F.linear(F.gelu(x), RECOMPUTED_WEIGHT)

    return checkpoint(body, x, use_reentrant=False)


def layer_norm(x, scale, bias):
    return F.layer_norm(x, scale.shape, scale, bias, EPSILON)


LINEAR, FEED_FORWARD = [[3, 4], [5, 4], [5]], [[3, 4], [19, 4], [19], [5, 19], [5], [3, 5]]
ATTENTIONS = [([5], 1), ([3, 0, 1, 20], 2), ([200], 4)]
CASES = {
    "linear of 3 rows": (LINEAR, F.linear),
    "linear that feeds products": (LINEAR, F.linear),
    "linear without bias": ([[3, 2], [4, 2]], F.linear),
    "linear onto a residual": (LINEAR + [[3, 5]], lambda x, w, b, r: r + F.linear(x, w, b)),
    "one weight, two uses": (
        [[5, 3]], lambda w: F.linear(F.embedding(torch.tensor([4, 1, 4]), w), w)),
    "feedForward with gelu of 3 rows": (FEED_FORWARD, feed_forward(F.gelu)),
    "feedForward with quickGELU of 3 rows": (FEED_FORWARD, feed_forward(quick_gelu)),
    "gelu": ([[4, 7]], F.gelu),
    "combineRows": ([[3, 5]], combine_rows),
    "add": ([[3, 4], [3, 4]], torch.add),
    "add to itself": ([[3, 4]], lambda x: x + x),
    "layerNorm of width 6": ([[3, 6], [6], [6]], layer_norm),
    "layerNorm of width 37": ([[3, 37], [37], [37]], layer_norm),
    "layerNorm that feeds products": ([[3, 6], [6], [6]], layer_norm),
    **{f"attention of {lengths}, {heads} heads": (
        3 * [[sum(lengths), 8]], attention(lengths, heads)) for lengths, heads in ATTENTIONS},
    "attention of one variable": ([[5, 6]], lambda x: attention([2, 3], 3)(x, x, x)),
    "embedding": ([[5, 3]], lambda x: F.embedding(torch.tensor([4, 0, 4, 2]), x)),
    "gatherRows": ([[4, 2]], lambda x: x[[3, 3, 1]]),
    "concatenateRows": ([[2, 3], [3, 3], [1, 3]], lambda *parts: torch.cat(parts)),
    "meanPool of [2, 0, 3]": ([[5, 3]], mean_pool),
    "normalizeRows": ([[3, 21]], F.normalize),
    "softmaxCrossEntropy": ([[4, 18]], cross_entropy),
    "contrastiveCrossEntropy": ([[3, 4]], contrastive),
    "contrastiveCrossEntropy, learned temperature": ([[3, 4], [1]], learned),
    "contrastiveCrossEntropy, negatives alone": ([[3, 4]], negatives_alone),
    "contrastiveCrossEntropy, soft targets": ([[3, 4]], taught),
    "contrastiveCrossEntropy, 2100 keys": ([[3, 4]], in_pieces),
    "weightedSum": ([[1], [1], [1]], lambda a, b, c: 0.5 * a - 2 * b + 0.25 * c),
    "recomputed": ([[3, 4]], recomputed),
    "recomputed, another use": ([[3, 4]], lambda x: recomputed(x) + x),
}


def main():
    golden = {}
    for name, (shapes, function) in CASES.items():
        inputs = [numbers(i, shape).requires_grad_() for i, shape in enumerate(shapes)]
        output = function(*inputs)
        output.backward(numbers(len(shapes), output.shape))
        golden[f"{name}.output"] = output.detach()
        golden |= {f"{name}.gradient.{i}": x.grad for i, x in enumerate(inputs)}
    path = pathlib.Path(__file__).parent.parent / "operations.safetensors"
    # One entry: the order of several is not the same in every run.
    versions = (f"operations.py, Python {platform.python_version()}, torch {torch.__version__}, "
                f"numpy {np.__version__}, safetensors {safetensors.__version__}")
    save_file({name: x.float().contiguous() for name, x in golden.items()}, path,
              {"generator": versions})


if __name__ == "__main__":
    main()
