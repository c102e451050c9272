# SPDX-License-Identifier: Apache-2.0
"""Coefficients of accord_normal in Sources/CKernels/exponential.h.

Fits exp(x^2 / 2) Q(x) = t P(t), t = 1 / (1 + x / 4), on 0 <= x <= 14 for the upper tail Q of the
standard normal distribution, minimising the largest relative error (Lawson's iteration), then
measures the f32 evaluation, step by step as the kernel does it, against math.erfc.

Run: python3 normal_tail.py        (numpy 2.4.6, Python 3)
Prints the coefficients from the highest power down, then both errors.
"""
import math

import numpy as np
from numpy.polynomial import Polynomial, chebyshev

DEGREE, SLOPE, LARGEST = 8, 0.25, 14.0


def tail(x):
    return 0.5 * math.erfc(x / math.sqrt(2))


def fit():
    x = np.concatenate([np.linspace(0, 3, 4000), np.linspace(3, LARGEST, 4000)])
    scaled = np.array([tail(v) for v in x]) * np.exp(x * x / 2)
    t = 1 / (1 + SLOPE * x)
    low = 1 / (1 + SLOPE * LARGEST)
    basis = chebyshev.chebvander((2 * t - 1 - low) / (1 - low), DEGREE) * (t / scaled)[:, None]
    weights = np.ones(len(x))
    for _ in range(300):
        solution = np.linalg.lstsq(basis * weights[:, None], weights, rcond=None)[0]
        errors = np.abs(basis @ solution - 1)
        weights *= (errors / errors.max() + 1e-3) ** 0.3
        weights /= weights.max()
    plain = Polynomial(chebyshev.cheb2poly(solution))
    return plain(Polynomial([-(1 + low) / (1 - low), 2 / (1 - low)])).coef, errors.max()


def measure(coefficients):
    f = np.float32
    x = np.linspace(0, 12.5, 200_001).astype(f)
    high = (x.view(np.uint32) & np.uint32(0xFFFFF000)).view(f)
    a, b = f(-0.5) * high * high, f(-0.5) * ((x - high) * (x + high))
    n = np.rint((a + b) * f(1.44269504088896341))
    r = (a - n * f(0.693359375)) - n * f(-2.12194440e-4) + b
    p = np.full_like(r, f(1.9875691500e-4))
    for c in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        p = p * r + f(c)
    p = p * (r * r) + r + f(1)
    exponential = np.ldexp(p, n.astype(np.int32))
    t = f(1) / (f(1) + f(SLOPE) * x)
    q = np.full_like(t, f(coefficients[-1]))
    for c in coefficients[-2::-1]:
        q = q * t + f(c)
    value = (exponential * (q * t)).astype(np.float64)
    exact = np.array([tail(float(v)) for v in x])
    return np.max(np.abs(value / exact - 1))


coefficients, error = fit()
for value in coefficients[::-1]:
    print(f"{value:.9e}")
print(f"fit: relative error {error:.1e}; evaluated in f32: {measure(coefficients):.1e}")
