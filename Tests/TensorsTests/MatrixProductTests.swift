// SPDX-License-Identifier: Apache-2.0
import Primitives
import Tensors
import Testing

struct MatrixProductTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        let rows: Int
        let inner: Int
        let columns: Int

        var testDescription: String { "[\(rows), \(inner)] x [\(inner), \(columns)]" }
    }

    static let shapes = [
        Shape(rows: 1, inner: 1, columns: 1), Shape(rows: 3, inner: 5, columns: 2),
        Shape(rows: 17, inner: 33, columns: 40), Shape(rows: 64, inner: 16, columns: 65),
        Shape(rows: 0, inner: 4, columns: 3), Shape(rows: 4, inner: 0, columns: 3),
        Shape(rows: 2, inner: 3, columns: 0),
    ]

    /// A random [rows, columns] inside wider rows.
    private func matrix(_ rows: Int, _ columns: Int, seed: UInt64, in arena: Arena) -> Matrix {
        let width = columns + 3
        let memory = arena.allocate([max(1, rows), width])
        var generator = SeededGenerator(seed: seed, purpose: .testing)
        for index in 0..<memory.count { memory.data[index] = 2 * generator.nextUnit() - 1 }
        return Matrix(memory.data, rows: rows, columns: columns, leadingDimension: width)
    }

    private func element(_ factor: Factor, _ row: Int, _ column: Int) -> Double {
        switch factor {
        case .plain(let matrix): Double(matrix.data[row * matrix.leadingDimension + column])
        case .transposed(let matrix): Double(matrix.data[column * matrix.leadingDimension + row])
        }
    }

    @Test(arguments: shapes, [0, 1, 2, 3])
    func aProductIsThatOfPlainLoops(_ shape: Shape, transposes: Int) {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let left: Factor =
            transposes & 1 == 0
            ? .plain(matrix(shape.rows, shape.inner, seed: 1, in: arena))
            : .transposed(matrix(shape.inner, shape.rows, seed: 1, in: arena))
        let right: Factor =
            transposes & 2 == 0
            ? .plain(matrix(shape.inner, shape.columns, seed: 2, in: arena))
            : .transposed(matrix(shape.columns, shape.inner, seed: 2, in: arena))
        let target = matrix(shape.rows, shape.columns, seed: 3, in: arena)
        let width = target.leadingDimension
        let before = Array(UnsafeBufferPointer(start: target.data, count: shape.rows * width))
        multiply(left, right, into: target, scale: 0.5, keep: 0.25)

        for row in 0..<shape.rows {
            for column in 0..<width {
                let found = Double(target.data[row * width + column])
                let old = Double(before[row * width + column])
                guard column < shape.columns else {
                    #expect(found == old, "beyond the end of row \(row)")
                    continue
                }
                let sum = (0..<shape.inner).reduce(0.0) {
                    $0 + element(left, row, $1) * element(right, $1, column)
                }
                #expect(abs(found - (0.5 * sum + 0.25 * old)) < 1e-5, "[\(row), \(column)]")
            }
        }
    }

    @Test(arguments: [0, 4])
    func keepingNothingOverwritesEvenNotANumber(inner: Int) {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let target = matrix(2, 2, seed: 3, in: arena)
        for index in 0..<10 { target.data[index] = .nan }
        multiply(
            .plain(matrix(2, inner, seed: 1, in: arena)),
            .plain(matrix(inner, 2, seed: 2, in: arena)), into: target)

        #expect([0, 1, 5, 6].allSatisfy { target.data[$0].isFinite })
    }

    @Test func factorsThatDoNotFitTrap() async {
        await #expect(processExitsWith: .failure) {
            let arena = Arena()
            defer { withExtendedLifetime(arena) {} }
            let tensor = arena.allocateZeroed([2, 3])
            multiply(.plain(Matrix(tensor)), .plain(Matrix(tensor)), into: Matrix(tensor))
        }
    }
}
