// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Tensors

/// A tensor on its way to a file: a part of a vector under a name.
package struct OutgoingTensor {
    package let name: String
    package let shape: [Int]
    private let vector: FloatVector
    private let offset: Int

    /// - Precondition: `vector` has the elements from `offset` on.
    package init(_ name: String, _ shape: [Int], _ vector: FloatVector, offset: Int = 0) {
        precondition(
            offset >= 0 && offset + shape.reduce(1, *) <= vector.count,
            "\(shape) from \(offset) of \(vector.count) elements")
        self.name = name
        self.shape = shape
        self.vector = vector
        self.offset = offset
    }

    var byteCount: Int { shape.reduce(1, *) * MemoryLayout<Float>.size }

    func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        withExtendedLifetime(vector) {
            body(UnsafeRawBufferPointer(start: vector.pointer + offset, count: byteCount))
        }
    }
}

/// Writes safetensors files of F32: equal input, equal bytes.
package enum SafetensorsWriter {
    /// Writes beside the target and renames, so that the target is whole or as it was before.
    ///
    /// - Precondition: names are unique and none is "__metadata__".
    package static func write(
        _ tensors: [OutgoingTensor], metadata: [String: String] = [:], to path: String
    ) throws(WeightFileFailure) {
        let header = header(of: tensors, metadata)
        try replaceFile(path) { write in
            write(withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) })
            write(header)
            for tensor in tensors { tensor.withBytes { write($0) } }
        }
    }

    /// Writes a text as a whole.
    package static func write(text: String, to path: String) throws(WeightFileFailure) {
        try replaceFile(path) { write in write(Array(text.utf8)) }
    }

    private static func header(
        of tensors: [OutgoingTensor], _ metadata: [String: String]
    ) -> [UInt8] {
        var members: [String: JSONValue] = [:]
        if !metadata.isEmpty {
            members["__metadata__"] = .object(metadata.mapValues(JSONValue.text))
        }
        var end = 0
        for tensor in tensors {
            let start = end
            end += tensor.byteCount
            let description = JSONValue.object([
                "dtype": .text("F32"), "shape": .array(tensor.shape.map { .number("\($0)") }),
                "data_offsets": .array([.number("\(start)"), .number("\(end)")]),
            ])
            let previous = members.updateValue(description, forKey: tensor.name)
            precondition(previous == nil, "two tensors \(tensor.name)")
        }
        let text = Array(JSONValue.object(members).encoded().utf8)
        // Data that starts at a multiple of 8 can be used where it lies by those who map the file.
        let padding = (8 - text.count % 8) % 8
        return text + [UInt8](repeating: UInt8(ascii: " "), count: padding)
    }

    private typealias Write = (any ContiguousBytes) -> Void

    private static func replaceFile(
        _ path: String, _ body: (Write) -> Void
    ) throws(WeightFileFailure) {
        let partial = path + ".partial"
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure(partial, errno) }
        var code: Int32 = 0
        body { bytes in
            guard code == 0 else { return }
            code = bytes.withUnsafeBytes { write($0, to: descriptor) }
        }
        if code == 0, fsync(descriptor) != 0 { code = errno }
        // Network file systems report a full disk here at the latest.
        if close(descriptor) != 0, code == 0 { code = errno }
        if code == 0, rename(partial, path) != 0 { code = errno }
        guard code == 0 else {
            unlink(partial)
            throw failure(path, code)
        }
    }

    /// The `errno` of a failed write, 0 when all bytes were taken.
    private static func write(_ buffer: UnsafeRawBufferPointer, to file: Int32) -> Int32 {
        var written = 0
        while written < buffer.count {
            let count = Foundation.write(
                file, buffer.baseAddress?.advanced(by: written), buffer.count - written)
            if count < 0 {
                if errno == EINTR { continue }
                return errno
            }
            written += count
        }
        return 0
    }

    private static func failure(_ path: String, _ code: Int32) -> WeightFileFailure {
        WeightFileFailure(
            path, expected: "to write this file", found: String(cString: strerror(code)),
            kind: .storage)
    }
}
