// SPDX-License-Identifier: Apache-2.0

/// A matrix in memory for a product: leading dimension is the distance between rows, in floats.
package struct Matrix {
    package let data: UnsafeMutablePointer<Float>
    package let rowCount: Int
    package let columnCount: Int
    package let leadingDimension: Int

    package init(
        _ data: UnsafeMutablePointer<Float>, rows: Int, columns: Int, leadingDimension: Int? = nil
    ) {
        self.data = data
        rowCount = rows
        columnCount = columns
        self.leadingDimension = leadingDimension ?? columns
    }

    /// All dimensions but the first are one row.
    package init(_ tensor: Tensor) {
        self.init(tensor.data, rows: tensor.rowCount, columns: tensor.columnCount)
    }
}

/// One factor of a product, as it is or transposed.
package enum Factor {
    case plain(Matrix)
    case transposed(Matrix)

    var matrix: Matrix {
        switch self {
        case .plain(let matrix), .transposed(let matrix): matrix
        }
    }

    var rowCount: Int {
        switch self {
        case .plain(let matrix): matrix.rowCount
        case .transposed(let matrix): matrix.columnCount
        }
    }

    var columnCount: Int {
        switch self {
        case .plain(let matrix): matrix.columnCount
        case .transposed(let matrix): matrix.rowCount
        }
    }
}

/// target = scale * left * right + keep * target, on the calling thread alone.
///
/// Determinism: bit-identical for equal inputs on one kind of processor, see `numericClass`.
/// - Parameter keep: 0 overwrites the target (which may then be uninitialised), 1 adds to it.
package func multiply(
    _ left: Factor, _ right: Factor, into target: Matrix, scale: Float = 1, keep: Float = 0
) {
    let inner = left.columnCount
    precondition(
        inner == right.rowCount && target.rowCount == left.rowCount
            && target.columnCount == right.columnCount,
        "[\(left.rowCount), \(inner)] x [\(right.rowCount), \(right.columnCount)] is not "
            + "[\(target.rowCount), \(target.columnCount)]")
    guard target.rowCount > 0, target.columnCount > 0 else { return }
    if inner > 0, MatrixBackend.own == .oneDNN {
        MatrixBackend.multiplyByOneDNN(left, right, target, scale, keep)
    } else {
        MatrixBackend.multiplyByOpenBLAS(left, right, target, scale, keep)
    }
}
