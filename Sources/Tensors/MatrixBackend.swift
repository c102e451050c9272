// SPDX-License-Identifier: Apache-2.0
import COneDNN
import COpenBLAS

/// Which library multiplies f32 matrices on this machine.
///
/// oneDNN's kernels are generated for the shape and reach about twice OpenBLAS's rate where there is
/// AVX-512, also for the small products of attention; elsewhere OpenBLAS is the faster one.
enum MatrixBackend: Sendable {
    case oneDNN
    case openBLAS

    /// The same for the whole life of the process, and part of its numeric class.
    static let own: MatrixBackend = accord_onednn_is_fast_f32() ? .oneDNN : .openBLAS

    static func multiplyByOneDNN(
        _ left: Factor, _ right: Factor, _ target: Matrix, _ scale: Float, _ keep: Float
    ) {
        var product = AccordProduct(
            left: left.description, right: right.description,
            target: Factor.plain(target).description, scale: scale, keep: keep)
        let status = accord_onednn_multiply(
            &product, left.matrix.data, right.matrix.data, target.data)
        precondition(
            status == 0,
            "oneDNN refuses [\(left.rowCount), \(left.columnCount)] x [\(right.rowCount), "
                + "\(right.columnCount)]: \(String(cString: accord_onednn_failure(status)))")
    }

    static func multiplyByOpenBLAS(
        _ left: Factor, _ right: Factor, _ target: Matrix, _ scale: Float, _ keep: Float
    ) {
        cblas_sgemm(
            CblasRowMajor, left.flag, right.flag, blasint(target.rowCount),
            blasint(target.columnCount), blasint(left.columnCount), scale, left.matrix.data,
            blasint(max(1, left.matrix.leadingDimension)), right.matrix.data,
            blasint(max(1, right.matrix.leadingDimension)), keep, target.data,
            blasint(target.leadingDimension))
    }
}

/// Lanes run on one thread each, so OpenBLAS must not start its own. Call once, before any lane.
package func configureSingleThreadedBLAS() { openblas_set_num_threads(1) }

extension Factor {
    fileprivate var flag: CBLAS_TRANSPOSE {
        switch self {
        case .plain: CblasNoTrans
        case .transposed: CblasTrans
        }
    }

    /// As oneDNN wants it: a transposed factor has its strides exchanged.
    fileprivate var description: AccordMatrix {
        let leading = Int64(matrix.leadingDimension)
        let (rowStride, columnStride): (Int64, Int64) =
            switch self {
            case .plain: (leading, 1)
            case .transposed: (1, leading)
            }
        return AccordMatrix(
            element: ACCORD_FLOAT32, rows: Int64(rowCount), columns: Int64(columnCount),
            row_stride: rowStride, column_stride: columnStride)
    }
}
