// SPDX-License-Identifier: Apache-2.0
#include "optimizer.h"

#include <math.h>

#include "dispatch.h"

ACCORD_DISPATCHED
void accord_adamw(AccordAdamW constants, const float *gradient, float *parameters, float *first,
                  float *second, size_t count) {
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

ACCORD_DISPATCHED
void accord_follow(float *target, const float *source, float momentum, size_t count) {
    float take = 1.0f - momentum;
    ACCORD_ELEMENTWISE
    for (size_t i = 0; i < count; i++) target[i] = momentum * target[i] + take * source[i];
}
