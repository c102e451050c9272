// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_OPTIMIZER_H
#define ACCORD_OPTIMIZER_H

#include <stddef.h>

typedef struct {
    float learning_rate;
    /// 0 for tensors that do not decay.
    float weight_decay;
    float beta1;
    float beta2;
    float epsilon;
    /// 1 - beta^t: the bias corrections of update t.
    float correction1;
    float correction2;
    /// Multiplies the gradient before use: the clipping factor.
    float gradient_scale;
} AccordAdamW;

/// One AdamW update. Source: Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2, in the form
/// of torch.optim.AdamW (decay before the step, epsilon outside the corrected root).
void accord_adamw(AccordAdamW constants, const float *gradient, float *parameters, float *first,
                  float *second, size_t count);

/// target = momentum * target + (1 - momentum) * source.
void accord_follow(float *target, const float *source, float momentum, size_t count);

#endif
