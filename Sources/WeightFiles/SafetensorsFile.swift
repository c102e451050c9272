// SPDX-License-Identifier: Apache-2.0
import Primitives

/// A safetensors file that is open for reading: its header, and its tensors one by one.
///
/// Memory: the header, and 256 KiB while a tensor is widened; an F32 tensor goes straight from the
/// file to where the caller wants it. Numbers are little-endian, as are the machines.
/// - Source: huggingface/safetensors README.md, "Format".
package final class SafetensorsFile {
    package let header: SafetensorsHeader
    private let file: OpenFile
    private let dataStart: Int

    package var path: String { file.path }

    package init(_ path: String) throws(WeightFileFailure) {
        file = try OpenFile(path)
        guard file.byteCount >= 8 else {
            throw WeightFileFailure(
                path, expected: "a safetensors file of at least 8 bytes",
                found: "\(file.byteCount) bytes")
        }
        let prefix = try file.readBytes(0..<8)
        let length = prefix.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let bytesMax = min(SafetensorsHeader.bytesMax, file.byteCount - 8)
        guard length <= UInt64(bytesMax) else {
            throw WeightFileFailure(
                path, "header",
                expected: "at most \(bytesMax) bytes (the file has "
                    + "\(file.byteCount), a header \(SafetensorsHeader.bytesMax) at most)",
                found: "a length of \(length) in the first 8 bytes")
        }
        dataStart = 8 + Int(length)
        header = try SafetensorsHeader(
            parsing: try file.readBytes(8..<dataStart), dataBytes: file.byteCount - dataStart,
            path: path)
    }

    /// The whole file, header included, a piece after the other: for a hash.
    package func forEachPiece(
        _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(WeightFileFailure) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(file.byteCount, Self.pieceBytes), alignment: 16)
        defer { buffer.deallocate() }
        for start in stride(from: 0, to: file.byteCount, by: Self.pieceBytes) {
            let count = min(Self.pieceBytes, file.byteCount - start)
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
            try file.read(piece, at: start)
            body(UnsafeRawBufferPointer(piece))
        }
    }

    private static let pieceBytes = 1 << 20

    package func entry(_ name: String) throws(WeightFileFailure) -> SafetensorsHeader.Entry {
        guard let entry = header.entries[name] else {
            throw WeightFileFailure(
                path, "tensor \(WeightFileFailure.quoted(name))", expected: "a tensor",
                found: "none of this name")
        }
        return entry
    }

    /// F32 as it is, F16 and BF16 widened, which is exact.
    ///
    /// - Precondition: `target` has as many elements as the tensor.
    package func readFloats(
        _ name: String, into target: UnsafeMutableBufferPointer<Float>
    ) throws(WeightFileFailure) {
        let entry = try entry(name)
        precondition(
            target.count == entry.count, "\(entry.count) elements into \(target.count)")
        let start = dataStart + entry.bytes.lowerBound
        switch entry.type {
        case .f32: try file.read(UnsafeMutableRawBufferPointer(target), at: start)
        case .f16: try widen(start, into: target, HalfPrecision.float(f16:))
        case .bf16: try widen(start, into: target, HalfPrecision.float(bf16:))
        default: throw wrongType(name, entry, "F32, F16 or BF16")
        }
    }

    package func readFloats(_ name: String) throws(WeightFileFailure) -> [Float] {
        var floats = [Float](repeating: 0, count: try entry(name).count)
        var failure: WeightFileFailure?
        floats.withUnsafeMutableBufferPointer { buffer in
            do throws(WeightFileFailure) {
                try readFloats(name, into: buffer)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return floats
    }

    /// I64 or I32.
    package func readIntegers(_ name: String) throws(WeightFileFailure) -> [Int64] {
        let entry = try entry(name)
        let start = dataStart + entry.bytes.lowerBound
        let bytes = start..<start + entry.bytes.count
        switch entry.type {
        case .i64: return Self.integers(Int64.self, try file.readBytes(bytes)) { $0 }
        case .i32: return Self.integers(Int32.self, try file.readBytes(bytes), Int64.init)
        default: throw wrongType(name, entry, "I64 or I32")
        }
    }

    private static func integers<Value: FixedWidthInteger>(
        _ type: Value.Type, _ bytes: [UInt8], _ convert: (Value) -> Int64
    ) -> [Int64] {
        bytes.withUnsafeBytes { buffer in
            stride(from: 0, to: buffer.count, by: MemoryLayout<Value>.size).map {
                convert(Value(littleEndian: buffer.loadUnaligned(fromByteOffset: $0, as: type)))
            }
        }
    }

    private static let widenedCountMax = 1 << 17

    private func widen(
        _ start: Int, into target: UnsafeMutableBufferPointer<Float>, _ convert: (UInt16) -> Float
    ) throws(WeightFileFailure) {
        var done = 0
        while done < target.count {
            let count = min(Self.widenedCountMax, target.count - done)
            let place = start + 2 * done
            let bytes = try file.readBytes(place..<place + 2 * count)
            bytes.withUnsafeBytes { buffer in
                for index in 0..<count {
                    let bits = buffer.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
                    target[done + index] = convert(UInt16(littleEndian: bits))
                }
            }
            done += count
        }
    }

    private func wrongType(
        _ name: String, _ entry: SafetensorsHeader.Entry, _ expected: String
    ) -> WeightFileFailure {
        WeightFileFailure(
            path, "tensor \(WeightFileFailure.quoted(name))", expected: "dtype \(expected)",
            found: entry.type.rawValue)
    }
}
