// SPDX-License-Identifier: Apache-2.0
import CKernels
import COneDNN
import COpenBLAS
import Primitives

/// Which library multiplies matrices on this machine.
///
/// oneDNN's kernels are generated for the shape and reach about twice OpenBLAS's rate where there
/// is AVX-512, also for the small products of attention; elsewhere OpenBLAS is the faster one, and
/// bfloat16 factors are widened for it.
enum MatrixBackend: Sendable {
    case oneDNN
    case openBLAS

    /// target = scale * left * right + bias + keep * target.
    struct Product {
        let left: Factor
        let right: Factor
        let bias: UnsafeMutablePointer<Float>?
        let target: Matrix
        let scale: Float
        let keep: Float
        /// More than 1: the matrices are the first of stacks.
        var count = 1
        var strides = StackStrides(left: 0, right: 0, target: 0)
    }

    /// Distances between the matrices of stacks, in elements.
    struct StackStrides {
        let left: Int
        let right: Int
        let target: Int
    }

    /// The same for the whole life of the process, and part of its numeric class.
    static let own: MatrixBackend = accord_onednn_is_fast_f32() ? .oneDNN : .openBLAS

    func multiply(_ product: Product) {
        // oneDNN has no product without an inner dimension.
        if self == .oneDNN, product.left.columnCount > 0 {
            product.runOneDNN()
        } else if product.count > 1 {
            for index in 0..<product.count { multiply(product.matrix(index)) }
        } else if product.left.columnCount == 0 {
            product.runEmpty()
        } else if product.left.matrix.element == .bf16 || product.target.element == .bf16 {
            product.runWidened()
        } else {
            product.runOpenBLAS()
        }
    }
}

extension MatrixBackend.Product {
    fileprivate func runOneDNN() {
        var product = AccordProduct(
            count: Int64(count), left: left.description(stackStride: strides.left),
            right: right.description(stackStride: strides.right),
            target: Factor.plain(target).description(stackStride: strides.target), scale: scale,
            keep: keep, has_bias: bias == nil ? 0 : 1)
        let status = accord_onednn_multiply(
            &product, left.matrix.address, right.matrix.address, bias, target.address)
        precondition(
            status == 0,
            "oneDNN refuses [\(left.rowCount), \(left.columnCount)] x [\(right.rowCount), "
                + "\(right.columnCount)]: \(String(cString: accord_onednn_failure(status)))")
    }

    /// Without an inner dimension the product itself is zero.
    fileprivate func runEmpty() {
        let arena = Arena(chunkFloats: 1 << 10)
        let wide = target.element == .f32 ? target : target.widened(in: arena)
        for row in 0..<wide.rowCount {
            let values = wide.data + row * wide.leadingDimension
            for column in 0..<wide.columnCount {
                let kept = keep == 0 ? 0 : keep * values[column]
                values[column] = kept + (bias?[column] ?? 0)
            }
        }
        if target.element == .bf16 { target.round(wide) }
        withExtendedLifetime(arena) {}
    }

    /// One product of the stacks.
    fileprivate func matrix(_ index: Int) -> Self {
        Self(
            left: left.moved(by: index * strides.left),
            right: right.moved(by: index * strides.right), bias: bias,
            target: target.moved(by: index * strides.target), scale: scale, keep: keep)
    }

    fileprivate func runOpenBLAS() {
        OpenBLAS.library.sgemm(
            CblasRowMajor, left.flag, right.flag, blasint(target.rowCount),
            blasint(target.columnCount), blasint(left.columnCount), scale, left.matrix.data,
            blasint(max(1, left.matrix.leadingDimension)), right.matrix.data,
            blasint(max(1, right.matrix.leadingDimension)), keep, target.data,
            blasint(target.leadingDimension))
        guard let bias else { return }
        for row in 0..<target.rowCount {
            accord_add(target.data + row * target.leadingDimension, bias, target.columnCount)
        }
    }

    /// For processors without kernels for bfloat16: f32 in between, at the price of the copies.
    fileprivate func runWidened() {
        let arena = Arena(chunkFloats: 1 << 16)
        let wideTarget = target.element == .f32 ? target : target.widened(in: arena)
        Self(
            left: left.widened(in: arena), right: right.widened(in: arena), bias: bias,
            target: wideTarget, scale: scale, keep: keep
        ).runOpenBLAS()
        if target.element == .bf16 { target.round(wideTarget) }
        withExtendedLifetime(arena) {}
    }
}

extension Matrix {
    fileprivate func widened(in arena: Arena) -> Matrix {
        guard element == .bf16 else { return self }
        let wide = Matrix(arena.allocate([rowCount, columnCount]))
        for row in 0..<rowCount {
            accord_from_bfloat(
                bfloats + row * leadingDimension, wide.data + row * columnCount, columnCount)
        }
        return wide
    }

    fileprivate func round(_ wide: Matrix) {
        for row in 0..<rowCount {
            accord_to_bfloat(
                wide.data + row * wide.leadingDimension, bfloats + row * leadingDimension,
                columnCount)
        }
    }
}

extension Factor {
    fileprivate var flag: CBLAS_TRANSPOSE {
        switch self {
        case .plain: CblasNoTrans
        case .transposed: CblasTrans
        }
    }

    fileprivate func widened(in arena: Arena) -> Factor {
        switch self {
        case .plain(let matrix): .plain(matrix.widened(in: arena))
        case .transposed(let matrix): .transposed(matrix.widened(in: arena))
        }
    }

    fileprivate func moved(by elements: Int) -> Factor {
        switch self {
        case .plain(let matrix): .plain(matrix.moved(by: elements))
        case .transposed(let matrix): .transposed(matrix.moved(by: elements))
        }
    }

    /// As oneDNN wants it: a transposed factor has its strides exchanged.
    fileprivate func description(stackStride: Int) -> AccordMatrix {
        let leading = Int64(matrix.leadingDimension)
        let (rowStride, columnStride): (Int64, Int64) =
            switch self {
            case .plain: (leading, 1)
            case .transposed: (1, leading)
            }
        return AccordMatrix(
            element: matrix.element == .f32 ? ACCORD_FLOAT32 : ACCORD_BFLOAT16,
            rows: Int64(rowCount), columns: Int64(columnCount), stack_stride: Int64(stackStride),
            row_stride: rowStride, column_stride: columnStride)
    }
}
