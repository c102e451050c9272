// SPDX-License-Identifier: Apache-2.0
import CKernels
import COneDNN
import Primitives

/// What decides the bits of arithmetic on this machine: the library that multiplies matrices, its
/// version, and the kernels that it has chosen for the processor. Workers of different classes must
/// not train together.
package func numericClass() -> String {
    if MatrixBackend.own == .oneDNN {
        return String(cString: accord_onednn_description())
    }
    return OpenBLAS.description
}

/// Whether the processor multiplies factors of this precision by itself; else they are converted.
package func isNative(_ precision: Precision) -> Bool {
    precision == .f32 || accord_onednn_is_fast_bf16()
}

/// Call first on every thread that computes: a library may have changed how numbers are rounded.
package func requireDefaultRounding() {
    precondition(
        accord_rounds_by_default(),
        "a library has changed the rounding of this thread, so its bits would differ from others")
}
