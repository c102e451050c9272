// SPDX-License-Identifier: Apache-2.0
import Primitives

/// A matrix in memory for a product: leading dimension is the distance between rows, in elements.
package struct Matrix {
    let address: UnsafeMutableRawPointer
    package let element: Precision
    package let rowCount: Int
    package let columnCount: Int
    package let leadingDimension: Int

    package init(
        _ data: UnsafeMutablePointer<Float>, rows: Int, columns: Int, leadingDimension: Int? = nil
    ) {
        address = UnsafeMutableRawPointer(data)
        element = .f32
        rowCount = rows
        columnCount = columns
        self.leadingDimension = leadingDimension ?? columns
    }

    package init(
        _ data: UnsafeMutablePointer<UInt16>, rows: Int, columns: Int,
        leadingDimension: Int? = nil
    ) {
        address = UnsafeMutableRawPointer(data)
        element = .bf16
        rowCount = rows
        columnCount = columns
        self.leadingDimension = leadingDimension ?? columns
    }

    /// All dimensions but the first are one row.
    package init(_ tensor: Tensor) {
        self.init(tensor.data, rows: tensor.rowCount, columns: tensor.columnCount)
    }

    /// All dimensions but the first are one row.
    package init(_ tensor: BFloatTensor) {
        self.init(tensor.data, rows: tensor.rowCount, columns: tensor.columnCount)
    }

    /// A part of it, in the same memory.
    package func slice(rows: Range<Int>, columns: Range<Int>) -> Matrix {
        precondition(
            rows.upperBound <= rowCount && columns.upperBound <= columnCount,
            "rows \(rows), columns \(columns) of [\(rowCount), \(columnCount)]")
        let offset = rows.lowerBound * leadingDimension + columns.lowerBound
        return Matrix(
            address: address + offset * elementBytes, element: element, rowCount: rows.count,
            columnCount: columns.count, leadingDimension: leadingDimension)
    }

    private init(
        address: UnsafeMutableRawPointer, element: Precision, rowCount: Int, columnCount: Int,
        leadingDimension: Int
    ) {
        self.address = address
        self.element = element
        self.rowCount = rowCount
        self.columnCount = columnCount
        self.leadingDimension = leadingDimension
    }

    /// The matrix of the same shape that begins so many elements later.
    func moved(by elements: Int) -> Matrix {
        Matrix(
            address: address + elements * elementBytes, element: element, rowCount: rowCount,
            columnCount: columnCount, leadingDimension: leadingDimension)
    }

    var elementBytes: Int {
        element == .f32 ? MemoryLayout<Float>.size : MemoryLayout<UInt16>.size
    }

    /// - Precondition: the elements are f32.
    package var data: UnsafeMutablePointer<Float> {
        precondition(element == .f32, "a matrix of bfloat16 numbers is read as f32")
        return address.assumingMemoryBound(to: Float.self)
    }

    /// - Precondition: the elements are bfloat16 numbers.
    var bfloats: UnsafeMutablePointer<UInt16> {
        precondition(element == .bf16, "a matrix of f32 numbers is read as bfloat16")
        return address.assumingMemoryBound(to: UInt16.self)
    }
}

extension Arena {
    /// The same numbers without gaps between the rows.
    package func copy(_ matrix: Matrix) -> Matrix {
        let (rows, columns) = (matrix.rowCount, matrix.columnCount)
        let result = allocate([rows, columns], matrix.element).matrix
        let bytes = columns * matrix.elementBytes
        for row in 0..<rows {
            (result.address + row * bytes).copyMemory(
                from: matrix.address + row * matrix.leadingDimension * matrix.elementBytes,
                byteCount: bytes)
        }
        return result
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
/// Both factors have the same element; the target has it too or is f32. Sums are f32.
/// Determinism: bit-identical for equal inputs on one kind of processor, see `numericClass`.
/// - Parameter keep: 0 overwrites the target (which may then be uninitialised), 1 adds to it.
package func multiply(
    _ left: Factor, _ right: Factor, into target: Matrix, scale: Float = 1, keep: Float = 0
) {
    run(
        .init(left: left, right: right, bias: nil, target: target, scale: scale, keep: keep))
}

/// target = left * right + bias + keep * target; the bias has one number per column.
package func multiply(
    _ left: Factor, _ right: Factor, bias: Tensor?, into target: Matrix, keep: Float = 0
) {
    precondition(
        bias.map { $0.count == target.columnCount } ?? true,
        "\(bias?.count ?? 0) biases of \(target.columnCount) columns")
    run(.init(left: left, right: right, bias: bias?.data, target: target, scale: 1, keep: keep))
}

/// Matrices of one shape at equal distances in memory; they may lie beside each other in the same
/// rows.
package struct MatrixStack {
    let first: Matrix
    let count: Int
    /// In elements.
    let stride: Int

    /// - Precondition: all of them are memory of the same owner.
    package init(_ first: Matrix, count: Int, stride: Int) {
        precondition(count > 0 && stride > 0, "\(count) matrices at a distance of \(stride)")
        self.first = first
        self.count = count
        self.stride = stride
    }
}

/// One factor of the products of stacks.
package enum StackFactor {
    case plain(MatrixStack)
    case transposed(MatrixStack)

    fileprivate var stack: MatrixStack {
        switch self {
        case .plain(let stack), .transposed(let stack): stack
        }
    }

    fileprivate var first: Factor {
        switch self {
        case .plain(let stack): .plain(stack.first)
        case .transposed(let stack): .transposed(stack.first)
        }
    }
}

/// target = scale * left * right + keep * target for each matrix of the stacks, in one call.
package func multiply(
    _ left: StackFactor, _ right: StackFactor, into target: MatrixStack, scale: Float = 1,
    keep: Float = 0
) {
    precondition(
        left.stack.count == target.count && right.stack.count == target.count,
        "stacks of \(left.stack.count), \(right.stack.count) and \(target.count) matrices")
    run(
        .init(
            left: left.first, right: right.first, bias: nil, target: target.first, scale: scale,
            keep: keep, count: target.count,
            strides: .init(
                left: left.stack.stride, right: right.stack.stride, target: target.stride)))
}

private func run(_ product: MatrixBackend.Product) {
    let (left, right, target) = (product.left, product.right, product.target)
    precondition(
        left.columnCount == right.rowCount && target.rowCount == left.rowCount
            && target.columnCount == right.columnCount,
        "[\(left.rowCount), \(left.columnCount)] x [\(right.rowCount), \(right.columnCount)] "
            + "is not [\(target.rowCount), \(target.columnCount)]")
    precondition(
        left.matrix.element == right.matrix.element
            && (target.element == .f32 || target.element == left.matrix.element),
        "\(left.matrix.element) x \(right.matrix.element) into \(target.element)")
    guard target.rowCount > 0, target.columnCount > 0 else { return }
    MatrixBackend.own.multiply(product)
}
