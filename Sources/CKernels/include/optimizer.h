// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_OPTIMIZER_H
#define ACCORD_OPTIMIZER_H

#include <stddef.h>

#include "bfloat.h"

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

/// What changes with the parameters in the same pass over memory; each may be null.
typedef struct {
    /// key = momentum * key + (1 - momentum) * parameters.
    float *key;
    float momentum;
    /// bfloat16(parameters) and bfloat16(key).
    AccordBFloat *rounded;
    AccordBFloat *rounded_key;
} AccordFollowers;

/// One AdamW update. Source: Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2, in the form
/// of torch.optim.AdamW (decay before the step, epsilon outside the corrected root).
void accord_adamw(AccordAdamW constants, AccordFollowers followers, const float *gradient,
                  float *parameters, float *first, float *second, size_t count);

#endif
