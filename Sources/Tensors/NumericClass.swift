// SPDX-License-Identifier: Apache-2.0
import COpenBLAS

/// What decides the bits of f32 arithmetic on this machine: the kernels that OpenBLAS has chosen
/// for the processor, and its version. Workers of different classes must not train together.
package func numericClass() -> String {
    let core = openblas_get_corename().map { String(cString: $0) } ?? "unknown"
    let configuration = openblas_get_config().map { String(cString: $0) } ?? "unknown"
    let version = configuration.split(separator: " ").prefix(2).joined(separator: " ")
    return "f32 \(version) \(core)"
}
