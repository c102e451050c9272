// SPDX-License-Identifier: Apache-2.0
import CKernels
import Tensors

/// target = momentum * target + (1 - momentum) * source: the key encoder follows the query encoder.
///
/// - Source: He et al. 2020, arXiv:1911.05722, eq. 2.
package func follow(_ target: FloatVector, _ source: FloatVector, momentum: Float) {
    precondition(target.count == source.count, "\(source.count) elements into \(target.count)")
    accord_follow(target.pointer, source.pointer, momentum, target.count)
}
