// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

extension Tape {
    /// Rows of a table by index; the gradient goes only to the rows that were used.
    ///
    /// Shapes: table [N, D], indices in 0..<N -> [indices.count, D].
    package func embedding(table: Variable, indices: [Int32]) -> Variable {
        gatherRows(table, indices)
    }

    /// Shapes: x [R, D], rows in 0..<R, in any order and any number of times -> [rows.count, D].
    package func gatherRows(_ x: Variable, _ rows: [Int32]) -> Variable {
        let width = x.value.columnCount
        precondition(
            rows.allSatisfy { (0..<x.value.rowCount).contains(Int($0)) },
            "a row outside 0..<\(x.value.rowCount)")
        let output = result([rows.count, width], of: [x])
        for (position, row) in rows.enumerated() {
            (output.value.data + position * width)
                .update(from: x.value.data + Int(row) * width, count: width)
        }
        record(output) { [self] gradient in
            contribute(.rows(gradient, indices: rows), to: x)
        }
        return output
    }

    /// Shapes: parts [R_i, D] -> [sum of R_i, D].
    package func concatenateRows(_ parts: [Variable]) -> Variable {
        precondition(!parts.isEmpty, "nothing to concatenate")
        let width = parts[0].value.columnCount
        precondition(parts.allSatisfy { $0.value.columnCount == width }, "parts of other widths")
        let rowCount = parts.reduce(0) { $0 + $1.value.rowCount }
        let output = result([rowCount, width], of: parts)
        var offset = 0
        for part in parts {
            (output.value.data + offset).update(from: part.value.data, count: part.value.count)
            offset += part.value.count
        }
        record(output) { [self] gradient in
            var offset = 0
            for part in parts {
                add(Tensor(data: gradient.data + offset, shape: part.shape), to: part)
                offset += part.value.count
            }
        }
        return output
    }

    /// The mean of the rows of each sequence; an empty sequence gives a zero row.
    ///
    /// Shapes: x [layout.rowCount, D] -> [layout.count, D].
    package func meanPool(_ x: Variable, layout: SequenceLayout) -> Variable {
        let width = x.value.columnCount
        precondition(
            x.value.rowCount == layout.rowCount, "\(x.shape) in \(layout.rowCount) rows")
        let output = result([layout.count, width], of: [x])
        output.value.data.update(repeating: 0, count: output.value.count)
        for sequence in 0..<layout.count {
            let rows = layout.rows(of: sequence)
            for row in rows {
                accord_add_scaled(
                    output.value.data + sequence * width, x.value.data + row * width,
                    1 / Float(rows.count), width)
            }
        }
        record(output) { [self] gradient in
            guard let target = gradientToAdd(x) else { return }
            for sequence in 0..<layout.count {
                let rows = layout.rows(of: sequence)
                for row in rows {
                    accord_add_scaled(
                        target.data + row * width, gradient.data + sequence * width,
                        1 / Float(rows.count), width)
                }
            }
        }
        return output
    }
}
