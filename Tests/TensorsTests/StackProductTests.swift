// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import Tensors

/// Products of stacks, whose matrices lie beside each other in the same rows as heads do, and
/// products onto a target with a bias; on both backends.
struct StackProductTests {
    private static let (count, rows, inner, columns) = (3, 5, 4, 6)

    /// Multiples of 1/8 below 2, which bfloat16 holds exactly, as all their products are in f32.
    private func numbers(_ count: Int, seed: UInt64) -> [Float] {
        var generator = SeededGenerator(seed: seed, purpose: .testing)
        return (0..<count).map { _ in Float(generator.next(below: 31)) / 8 - 1.875 }
    }

    /// Matrices beside each other: element (r, c) of matrix m lies in row r at m * columns + c.
    private struct Interleaved {
        let stack: MatrixStack
        let values: [Float]
        let rows: Int
        let columns: Int

        /// - Parameter gap: columns of NaN after each matrix.
        init(
            _ values: [Float], rows: Int, gap: Int = 0, _ precision: Precision, _ arena: Arena
        ) {
            self.values = values
            self.rows = rows
            columns = values.count / rows / count
            let tensor = arena.allocate([rows, (columns + gap) * count])
            tensor.elements.update(repeating: .nan)
            for (index, value) in values.enumerated() {
                let (row, column) = (index / (columns * count), index % (columns * count))
                let place = column / columns * (columns + gap) + column % columns
                tensor.data[row * tensor.columnCount + place] = value
            }
            let first = precision == .f32 ? Matrix(tensor) : Matrix(arena.rounded(tensor))
            stack = MatrixStack(
                first.slice(rows: 0..<rows, columns: 0..<columns), count: count,
                stride: columns + gap)
        }

        func element(_ matrix: Int, _ row: Int, _ column: Int) -> Float {
            values[row * columns * count + matrix * columns + column]
        }
    }

    private static var backends: [MatrixBackend] {
        [.openBLAS] + (MatrixBackend.own == .oneDNN ? [.oneDNN] : [])
    }

    // Sums of exact multiples of 1/64: no rounding at all.
    @Test(arguments: Precision.allCases)
    func eachMatrixOfAStackIsMultiplied(_ precision: Precision) {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let (rows, inner, columns) = (Self.rows, Self.inner, Self.columns)
        let left = Interleaved(
            numbers(rows * inner * Self.count, seed: 1), rows: rows, precision, arena)
        let right = Interleaved(
            numbers(columns * inner * Self.count, seed: 2), rows: columns, gap: 3, precision,
            arena)
        for backend in Self.backends {
            let target = arena.allocate([Self.count, rows, columns])
            target.data.update(repeating: 16, count: target.count)
            backend.multiply(
                .init(
                    left: .plain(left.stack.first), right: .transposed(right.stack.first),
                    bias: nil, target: Matrix(target.data, rows: rows, columns: columns),
                    scale: 0.5, keep: 0.25, count: Self.count,
                    strides: .init(left: inner, right: inner + 3, target: rows * columns)))
            for matrix in 0..<Self.count {
                for row in 0..<rows {
                    for column in 0..<columns {
                        let sum = (0..<inner).reduce(Float(0)) {
                            $0 + left.element(matrix, row, $1) * right.element(matrix, column, $1)
                        }
                        let found = target.data[(matrix * rows + row) * columns + column]
                        #expect(found == 0.5 * sum + 4, "\(backend) [\(matrix), \(row), \(column)]")
                    }
                }
            }
        }
    }

    @Test func stacksOfOneKindGoThroughTheSameDoor() {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let values = numbers(Self.rows * Self.rows * Self.count, seed: 3)
        let x = Interleaved(values, rows: Self.rows, .f32, arena)
        let target = arena.allocate([Self.count, Self.rows, Self.rows])
        let stack = MatrixStack(
            Matrix(target.data, rows: Self.rows, columns: Self.rows), count: Self.count,
            stride: Self.rows * Self.rows)
        multiply(.transposed(x.stack), .plain(x.stack), into: stack)

        for matrix in 0..<Self.count {
            let corner = (0..<Self.rows).reduce(Float(0)) {
                $0 + x.element(matrix, $1, 0) * x.element(matrix, $1, 1)
            }
            #expect(target.data[matrix * Self.rows * Self.rows + 1] == corner)
        }
    }

    @Test(arguments: Precision.allCases)
    func aBiasAndWhatWasThereAreBothAdded(_ precision: Precision) {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        func factor(_ rows: Int, seed: UInt64) -> (matrix: Matrix, values: [Float]) {
            let values = numbers(rows * Self.inner, seed: seed)
            let tensor = arena.allocate([rows, Self.inner])
            for (index, value) in values.enumerated() { tensor.data[index] = value }
            let matrix = precision == .f32 ? Matrix(tensor) : Matrix(arena.rounded(tensor))
            return (matrix, values)
        }
        let (left, right) = (factor(Self.rows, seed: 4), factor(Self.columns, seed: 5))
        let bias = arena.allocate([Self.columns])
        for column in 0..<Self.columns { bias.data[column] = Float(column) }
        for backend in Self.backends {
            let target = arena.allocate([Self.rows, Self.columns])
            for index in 0..<target.count { target.data[index] = Float(100 * index) }
            backend.multiply(
                .init(
                    left: .plain(left.matrix), right: .transposed(right.matrix), bias: bias.data,
                    target: Matrix(target), scale: 1, keep: 1))
            for place in 0..<target.count {
                let (row, column) = (place / Self.columns, place % Self.columns)
                let sum = (0..<Self.inner).reduce(Float(0)) {
                    $0 + left.values[row * Self.inner + $1] * right.values[column * Self.inner + $1]
                }
                #expect(target.data[place] == sum + Float(column + 100 * place), "\(backend)")
            }
        }
    }

    @Test func stacksOfDifferentHeightsTrap() async {
        await #expect(processExitsWith: .failure) {
            let arena = Arena()
            let matrix = Matrix(arena.allocateZeroed([8, 2]))
            let (two, three) = (
                MatrixStack(matrix, count: 2, stride: 4), MatrixStack(matrix, count: 3, stride: 4)
            )
            multiply(.plain(two), .transposed(three), into: two)
        }
    }
}
