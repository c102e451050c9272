// SPDX-License-Identifier: Apache-2.0

/// What the first bytes of a safetensors file say about the rest.
///
/// ```
/// length N of the header, u64 little-endian; N bytes of JSON; data
/// {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {...}}
/// ```
/// Everything is checked before anything is read: tensors fill the data without a hole or an
/// overlap, as the format demands, so a file cannot make us allocate more than its own size.
/// - Source: huggingface/safetensors README.md, "Format", and its `Metadata::validate`.
package struct SafetensorsHeader: Sendable, Equatable {
    package enum ElementType: String, Sendable, CaseIterable {
        case f64 = "F64"
        case f32 = "F32"
        case f16 = "F16"
        case bf16 = "BF16"
        case i64 = "I64"
        case i32 = "I32"
        case i16 = "I16"
        case i8 = "I8"
        case u64 = "U64"
        case u32 = "U32"
        case u16 = "U16"
        case u8 = "U8"
        case bool = "BOOL"

        package var byteCount: Int {
            switch self {
            case .f64, .i64, .u64: 8
            case .f32, .i32, .u32: 4
            case .f16, .bf16, .i16, .u16: 2
            case .i8, .u8, .bool: 1
            }
        }
    }

    package struct Entry: Sendable, Equatable {
        package let type: ElementType
        package let shape: [Int]
        /// Bytes from the start of the data.
        package let bytes: Range<Int>

        package var count: Int { bytes.count / type.byteCount }
    }

    /// The format itself allows 100 MB; the headers of the largest models have a few.
    package static let bytesMax = 16 << 20
    package static let dimensionCountMax = 16

    package let entries: [String: Entry]
    package let metadata: [String: String]

    /// - Parameter dataBytes: how many bytes follow the header in the file.
    package init(
        parsing bytes: [UInt8], dataBytes: Int, path: String
    ) throws(WeightFileFailure) {
        let root: JSONValue
        do {
            root = try JSONValue(parsing: bytes)
        } catch {
            throw WeightFileFailure(
                path, "header", expected: "JSON",
                found: "a fault at byte \(error.offset): \(error.rule)")
        }
        guard let members = root.members else {
            throw WeightFileFailure(
                path, "header", expected: "an object of tensors", found: root.summary)
        }
        var entries: [String: Entry] = [:]
        var metadata: [String: String] = [:]
        for (name, value) in members {
            if name == "__metadata__" {
                metadata = try Self.metadata(value, path)
            } else {
                entries[name] = try TensorDescription(path: path, name: name, value: value)
                    .entry(dataBytes: dataBytes)
            }
        }
        try Self.checkCoverage(entries, dataBytes: dataBytes, path)
        self.entries = entries
        self.metadata = metadata
    }

    private static func metadata(
        _ value: JSONValue, _ path: String
    ) throws(WeightFileFailure) -> [String: String] {
        var metadata: [String: String] = [:]
        for (key, value) in value.members ?? [:] {
            guard let text = value.text else {
                throw WeightFileFailure(
                    path, "__metadata__ \(WeightFileFailure.quoted(key))", expected: "a text",
                    found: value.summary)
            }
            metadata[key] = text
        }
        guard value.members != nil else {
            throw WeightFileFailure(
                path, "__metadata__", expected: "an object of texts", found: value.summary)
        }
        return metadata
    }

    private static func checkCoverage(
        _ entries: [String: Entry], dataBytes: Int, _ path: String
    ) throws(WeightFileFailure) {
        let inOrder = entries.sorted {
            ($0.value.bytes.lowerBound, $0.value.bytes.upperBound, $0.key)
                < ($1.value.bytes.lowerBound, $1.value.bytes.upperBound, $1.key)
        }
        var end = 0
        for (name, entry) in inOrder {
            guard entry.bytes.lowerBound == end else {
                throw WeightFileFailure(
                    path, "tensor \(WeightFileFailure.quoted(name))",
                    expected: "data from byte \(end), where the one before ends",
                    found: "data from byte \(entry.bytes.lowerBound)")
            }
            end = entry.bytes.upperBound
        }
        guard end == dataBytes else {
            throw WeightFileFailure(
                path, expected: "\(end) bytes of data, as the header says",
                found: "\(dataBytes) bytes after the header")
        }
    }
}

/// One member of the header on its way to an entry.
private struct TensorDescription {
    let path: String
    let name: String
    let value: JSONValue

    func entry(dataBytes: Int) throws(WeightFileFailure) -> SafetensorsHeader.Entry {
        let type = try elementType()
        let shape = try shape()
        let offsets = value["data_offsets"]?.elements?.map(\.integer)
        guard let offsets, offsets.count == 2, let start = offsets[0], let end = offsets[1],
            0 <= start, start <= end, end <= dataBytes
        else {
            throw failure(
                "data_offsets [start, end] with 0 <= start <= end <= \(dataBytes), the bytes "
                    + "after the header", offsetsText)
        }
        let (byteCount, overflows) = product(of: shape + [type.byteCount])
        guard !overflows, byteCount == end - start else {
            let size = overflows ? "more bytes than 64 bits count" : "\(byteCount) bytes"
            throw failure("\(size) for \(type.rawValue) of shape \(shape)", "\(end - start) bytes")
        }
        return SafetensorsHeader.Entry(type: type, shape: shape, bytes: start..<end)
    }

    private func failure(_ expected: String, _ found: String) -> WeightFileFailure {
        WeightFileFailure(
            path, "tensor \(WeightFileFailure.quoted(name))", expected: expected, found: found)
    }

    private func elementType() throws(WeightFileFailure) -> SafetensorsHeader.ElementType {
        let text = value["dtype"]?.text
        guard let type = text.flatMap(SafetensorsHeader.ElementType.init) else {
            let known = SafetensorsHeader.ElementType.allCases.map(\.rawValue)
            throw failure(
                "a dtype of \(known.joined(separator: ", "))", value["dtype"]?.summary ?? "none")
        }
        return type
    }

    private func shape() throws(WeightFileFailure) -> [Int] {
        let dimensions = value["shape"]?.elements?.map(\.integer)
        let limit = SafetensorsHeader.dimensionCountMax
        guard let dimensions, dimensions.count <= limit else {
            throw failure(
                "a shape of at most \(limit) dimensions", value["shape"]?.summary ?? "none")
        }
        var shape: [Int] = []
        for (index, dimension) in dimensions.enumerated() {
            guard let dimension, dimension >= 0 else {
                let found = value["shape"]?.elements?[index].summary ?? ""
                throw failure("dimensions that are whole numbers from 0", found)
            }
            shape.append(dimension)
        }
        return shape
    }

    private var offsetsText: String {
        guard let value = value["data_offsets"] else { return "none" }
        guard let elements = value.elements, elements.count <= 4 else { return value.summary }
        return "[\(elements.map(\.summary).joined(separator: ", "))]"
    }

    /// An overflow counts even when a later dimension is 0.
    private func product(of factors: [Int]) -> (Int, overflows: Bool) {
        var result = 1
        for factor in factors {
            let (next, overflows) = result.multipliedReportingOverflow(by: factor)
            if overflows { return (0, true) }
            result = next
        }
        return (result, false)
    }
}
