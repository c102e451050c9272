// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

/// What one operation adds to the gradient of a matrix [N, D], in a form that gives any rows of it.
enum GradientPart {
    case whole(Tensor)
    /// `dyᵀ x` with dy [R, N] and x [R, D], the gradient of a weight.
    case product(gradient: Matrix, x: Matrix)
    /// Rows [R, D], each added to the row of the matrix that its index names.
    case rows(Tensor, indices: [Int32])

    /// Adds some rows, from `firstRow` on, to the target, or writes them if it is not begun.
    func add(to target: Tensor, firstRow: Int, isBegun: Bool) {
        let rows = firstRow..<firstRow + target.rowCount
        switch self {
        case .whole(let gradient):
            let source = gradient.data + rows.lowerBound * target.columnCount
            if isBegun {
                accord_add(target.data, source, target.count)
            } else {
                target.data.update(from: source, count: target.count)
            }
        case .product(let gradient, let x):
            multiply(
                .transposed(gradient.slice(rows: 0..<gradient.rowCount, columns: rows)),
                .plain(x), into: Matrix(target), keep: isBegun ? 1 : 0)
        case .rows(let gradient, let indices):
            if !isBegun { target.data.update(repeating: 0, count: target.count) }
            let width = target.columnCount
            for (position, index) in indices.enumerated() where rows.contains(Int(index)) {
                accord_add(
                    target.data + (Int(index) - firstRow) * width,
                    gradient.data + position * width, width)
            }
        }
    }

    /// The same in memory that lasts as long as the tape.
    func kept(in arena: Arena) -> GradientPart {
        switch self {
        case .whole(let gradient):
            .whole(arena.copy(gradient))
        case .product(let gradient, let x):
            .product(gradient: arena.copy(gradient), x: arena.copy(x))
        case .rows(let gradient, let indices):
            .rows(arena.copy(gradient), indices: indices)
        }
    }
}
