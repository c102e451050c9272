// SPDX-License-Identifier: Apache-2.0
import Primitives
import Tensors

/// Fixed-capacity ring of past keys of one view, the negatives of the contrastive loss.
///
/// Shapes: keys [K, D], rows L2-normalised; the first `count` rows are valid until the ring is
/// full, then all; `cursor` is the next row to overwrite.
/// Determinism: keys are enqueued at commit in lane order, so banks are bit-identical for any
/// number of workers.
/// Isolation: lanes read while nobody enqueues.
/// - Source: He et al. 2020, arXiv:1911.05722, algorithm 1; facebookresearch/moco moco/builder.py.
package final class MemoryBank {
    /// One key on its way into the bank.
    package struct Entry: Equatable, Sendable {
        /// Index into the collection, 0...Int32.max.
        package let clipIndex: Int
        /// [D]
        package let key: [Float]

        package init(clipIndex: Int, key: [Float]) {
            self.clipIndex = clipIndex
            self.key = key
        }
    }

    package let capacity: Int
    package let width: Int
    package private(set) var count = 0
    package private(set) var cursor = 0
    private let keys: FloatVector
    /// [K], -1 where no key is yet.
    private var clipIndices: [Int32]
    /// [K], the step that brought each key.
    private var steps: [UInt64]

    package init(capacity: Int, width: Int) {
        precondition(capacity >= 0 && width > 0, "a bank of \(capacity) keys of \(width)")
        self.capacity = capacity
        self.width = width
        keys = FloatVector(count: capacity * width)
        clipIndices = [Int32](repeating: -1, count: capacity)
        steps = [UInt64](repeating: 0, count: capacity)
    }

    /// The valid keys [count, D] in ring order, and which clip each came from.
    package var candidates: (keys: Tensor, clipIndices: ArraySlice<Int32>) {
        (Tensor(data: keys.pointer, shape: [count, width]), clipIndices.prefix(count))
    }

    /// How old the keys are, in steps; nil while there is none.
    package struct Ages: Equatable, Sendable {
        package let mean: Double
        package let oldest: UInt64
    }

    /// - Parameter step: the one that was applied last.
    package func ages(at step: Step) -> Ages? {
        guard count > 0 else { return nil }
        let ages = steps.prefix(count).map { step.number - min(step.number, $0) }
        return Ages(
            mean: ages.reduce(0) { $0 + Double($1) } / Double(count), oldest: ages.max() ?? 0)
    }

    /// The same keys in a ring of another size, the oldest first: the newest that fit.
    package func resized(to capacity: Int) -> MemoryBank {
        let other = MemoryBank(capacity: capacity, width: width)
        let oldest = count < self.capacity ? 0 : cursor
        for place in max(0, count - capacity)..<count {
            let slot = (oldest + place) % max(1, self.capacity)
            other.write(keys.pointer + slot * width, clipIndices[slot], steps[slot])
        }
        return other
    }

    private func write(_ key: UnsafePointer<Float>, _ clipIndex: Int32, _ step: UInt64) {
        (keys.pointer + cursor * width).update(from: key, count: width)
        clipIndices[cursor] = clipIndex
        steps[cursor] = step
        cursor = (cursor + 1) % capacity
        count = min(capacity, count + 1)
    }

    /// Writes entries at the cursor, around the end if need be; any number of them.
    package func enqueue(_ entries: [Entry], step: Step) {
        guard capacity > 0 else { return }
        for entry in entries {
            precondition(entry.key.count == width, "a key of \(entry.key.count), not \(width)")
            write(entry.key, Int32(entry.clipIndex), step.number)
        }
    }

    // MARK: - Bytes

    /// What `encode` writes.
    package var encodedByteCount: Int {
        4 * MemoryLayout<UInt32>.size
            + count
            * (MemoryLayout<Int32>.size + MemoryLayout<UInt64>.size
                + width * MemoryLayout<Float>.size)
    }

    /// The canonical bytes, part of the state hash and of every checkpoint: only valid rows.
    package func encode(into writer: inout ByteWriter) {
        for number in [capacity, width, cursor, count] { writer.write(UInt32(number)) }
        for index in clipIndices.prefix(count) { writer.write(index) }
        for step in steps.prefix(count) { writer.write(step) }
        writer.write(
            raw: UnsafeRawBufferPointer(
                start: keys.pointer, count: count * width * MemoryLayout<Float>.size))
    }

    /// The bank whose `encode` wrote the bytes; capacity and width must be those expected.
    package convenience init(
        decoding reader: inout ByteReader, capacity: Int, width: Int
    ) throws(MalformedBytes) {
        self.init(capacity: capacity, width: width)
        try reader.expect(UInt32(capacity), "bank capacity")
        try reader.expect(UInt32(width), "bank key width")
        cursor = Int(try reader.read(UInt32.self, "bank cursor"))
        count = Int(try reader.read(UInt32.self, "bank count"))
        guard count <= capacity, cursor == (count < capacity ? count : cursor % max(1, capacity))
        else {
            throw MalformedBytes(
                field: "bank cursor", offset: 0,
                rule: "\(cursor) with \(count) of \(capacity) keys is no state of a ring")
        }
        for slot in 0..<count { clipIndices[slot] = try reader.read(Int32.self, "bank clip index") }
        for slot in 0..<count { steps[slot] = try reader.read(UInt64.self, "bank step") }
        let raw = try reader.readRaw(count * width * MemoryLayout<Float>.size, "bank keys")
        UnsafeMutableRawBufferPointer(keys.elements).copyBytes(from: raw)
        guard clipIndices.prefix(count).allSatisfy({ $0 >= 0 }) else {
            throw MalformedBytes(field: "bank clip index", offset: 0, rule: "one is negative")
        }
        guard keys.elements.allSatisfy(\.isFinite) else {
            throw MalformedBytes(field: "bank keys", offset: 0, rule: "one is not finite")
        }
    }
}

extension ByteReader {
    fileprivate mutating func expect(_ value: UInt32, _ field: String) throws(MalformedBytes) {
        let found = try read(UInt32.self, field)
        guard found == value else {
            throw MalformedBytes(field: field, offset: 0, rule: "\(found), the run has \(value)")
        }
    }
}
