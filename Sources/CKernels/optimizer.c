// SPDX-License-Identifier: Apache-2.0
#include "optimizer.h"

#include <math.h>

#include "bfloat_conversion.h"
#include "dispatch.h"

/// Elements that stay in the first-level cache from the update to its followers.
#define BLOCK 1024

static inline __attribute__((always_inline)) void update(
    AccordAdamW constants, const float *gradient, float *parameters, float *first, float *second,
    size_t count) {
    float decay = 1.0f - constants.learning_rate * constants.weight_decay;
    float rate = constants.learning_rate / constants.correction1;
    float root = sqrtf(constants.correction2);
    float keep1 = constants.beta1, keep2 = constants.beta2;
    float take1 = 1.0f - keep1, take2 = 1.0f - keep2;
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) {
        float g = gradient[i] * constants.gradient_scale;
        float m = keep1 * first[i] + take1 * g;
        float v = keep2 * second[i] + take2 * (g * g);
        first[i] = m;
        second[i] = v;
        float denominator = sqrtf(v) / root + constants.epsilon;
        parameters[i] = parameters[i] * decay - rate * (m / denominator);
    }
}

static inline __attribute__((always_inline)) void follow(float *target, const float *source,
                                                         float momentum, size_t count) {
    float take = 1.0f - momentum;
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) target[i] = momentum * target[i] + take * source[i];
}

static inline __attribute__((always_inline)) void round_all(const float *x, AccordBFloat *y,
                                                            size_t count) {
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) y[i] = accord_round_to_bfloat(x[i]);
}

ACCORD_DISPATCHED
void accord_adamw(AccordAdamW constants, AccordFollowers followers, const float *gradient,
                  float *parameters, float *first, float *second, size_t count) {
    for (size_t start = 0; start < count; start += BLOCK) {
        size_t length = count - start < BLOCK ? count - start : BLOCK;
        update(constants, gradient + start, parameters + start, first + start, second + start,
               length);
        if (followers.rounded) round_all(parameters + start, followers.rounded + start, length);
        if (!followers.key) continue;
        follow(followers.key + start, parameters + start, followers.momentum, length);
        if (followers.rounded_key)
            round_all(followers.key + start, followers.rounded_key + start, length);
    }
}
