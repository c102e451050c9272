// SPDX-License-Identifier: Apache-2.0
import CKernels
import Tensors

/// The Euclidean norm, accumulated in double precision in a fixed partition.
package func gradientNorm(_ gradient: FloatVector) -> Double {
    accord_sum_of_squares(gradient.pointer, gradient.count).squareRoot()
}
