# SPDX-License-Identifier: Apache-2.0
"""Coefficients of accord_normal in Sources/CKernels/exponential.h.

Fits exp(x^2 / 2) Q(x) = t P(t), t = 1 / (1 + x / 4), on 0 <= x <= 14 for the upper tail Q of the
standard normal distribution, minimising the largest relative error (Lawson's iteration), then
measures the f32 evaluation, step by step as the kernel does it, against math.erfc.

Then the same for accord_normal_coarse, whose results are rounded to bfloat16: a shorter polynomial,
and one for e^r, |r| <= ln 2 / 2, fitted alike.

Run: python3 normal_tail.py        (numpy 2.4.6, Python 3)
Prints the coefficients from the highest power down, then both errors.
"""
import math

import numpy as np
from numpy.polynomial import Polynomial, chebyshev

DEGREE, COARSE_DEGREE, SLOPE, LARGEST = 8, 4, 0.25, 14.0


def tail(x):
    return 0.5 * math.erfc(x / math.sqrt(2))


def minimax(basis):
    """The combination of the columns that is nearest to 1 everywhere, and how near."""
    weights = np.ones(len(basis))
    for _ in range(300):
        solution = np.linalg.lstsq(basis * weights[:, None], weights, rcond=None)[0]
        errors = np.abs(basis @ solution - 1)
        weights *= (errors / errors.max() + 1e-3) ** 0.3
        weights /= weights.max()
    return solution, errors.max()


def fit(degree):
    x = np.concatenate([np.linspace(0, 3, 4000), np.linspace(3, LARGEST, 4000)])
    scaled = np.array([tail(v) for v in x]) * np.exp(x * x / 2)
    t = 1 / (1 + SLOPE * x)
    low = 1 / (1 + SLOPE * LARGEST)
    basis = chebyshev.chebvander((2 * t - 1 - low) / (1 - low), degree) * (t / scaled)[:, None]
    solution, error = minimax(basis)
    plain = Polynomial(chebyshev.cheb2poly(solution))
    return plain(Polynomial([-(1 + low) / (1 - low), 2 / (1 - low)])).coef, error


def fit_exponential(degree):
    r = np.linspace(-0.5, 0.5, 4001) * math.log(2)
    return minimax(np.vander(r, degree + 1, increasing=True) / np.exp(r)[:, None])


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


def measure_coarse(coefficients, exponential_coefficients):
    f = np.float32
    x = np.linspace(0, 12.5, 200_001).astype(f)
    x = (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(f)  # bfloat16 numbers
    a = f(-0.5) * x * x
    n = np.rint(a * f(1.44269504088896341))
    r = a - n * f(0.693147180559945)
    p = np.full_like(r, f(exponential_coefficients[-1]))
    for c in exponential_coefficients[-2::-1]:
        p = p * r + f(c)
    exponential = np.ldexp(p, n.astype(np.int32))
    t = f(1) / (f(1) + f(SLOPE) * x)
    q = np.full_like(t, f(coefficients[-1]))
    for c in coefficients[-2::-1]:
        q = q * t + f(c)
    value = (exponential * (q * t)).astype(np.float64)
    exact = np.array([tail(float(v)) for v in x])
    return np.max(np.abs(value / exact - 1))


def show(name, coefficients, error):
    print(name)
    for value in coefficients[::-1]:
        print(f"  {value:.9e}")
    print(f"  fit: relative error {error:.1e}")


coefficients, error = fit(DEGREE)
show("accord_normal", coefficients, error)
print(f"  evaluated in f32: {measure(coefficients):.1e}")
coefficients, error = fit(COARSE_DEGREE)
show("accord_normal_coarse", coefficients, error)
exponential, error = fit_exponential(3)
show("accord_exp_coarse", exponential, error)
print(f"  evaluated in f32: {measure_coarse(coefficients, exponential):.1e}")
