// SPDX-License-Identifier: Apache-2.0
import Testing

/// A file that somebody made to hurt us, and what the refusal says.
struct HostileFile: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let says: [String]

    var testDescription: String { name }

    init(_ name: String, _ bytes: [UInt8], _ says: String...) {
        self.name = name
        self.bytes = bytes
        self.says = says
    }

    /// One tensor "x" with these members.
    private static func tensor(_ members: String) -> String { "{\"x\":{\(members)}}" }

    private static func tensor(
        type: String = "\"F32\"", shape: String = "[2]", offsets: String = "[0,8]"
    ) -> String {
        tensor("\"dtype\":\(type),\"shape\":\(shape),\"data_offsets\":\(offsets)")
    }

    static let all = lengths + headers + tensors + arrangements

    private static let lengths = [
        HostileFile("empty", [], "at least 8 bytes", "found 0 bytes"),
        HostileFile("seven bytes", [2, 0, 0, 0, 0, 0, 0], "at least 8 bytes", "found 7 bytes"),
        HostileFile(
            "length beyond the file", safetensors("{}", length: 3), "header", "at most 2 bytes",
            "a length of 3"),
        HostileFile(
            "length of all ones", safetensors("{}", length: .max), "header",
            "a length of 18446744073709551615"),
        HostileFile(
            "length with the sign of Int64", safetensors("{}", length: 1 << 63), "header",
            "a length of 9223372036854775808"),
        HostileFile(
            "header beyond the limit",
            safetensors([UInt8](repeating: 0x20, count: (16 << 20) + 1)), "header",
            "at most 16777216 bytes", "a length of 16777217"),
        HostileFile("no header", safetensors(""), "header", "JSON", "too early"),
        HostileFile(
            "data cut off", safetensors(tensor(), data: 7), "tensor \"x\"",
            "end <= 7", "found [0, 8]"),
        HostileFile(
            "data too long", safetensors(tensor(), data: 9), "expected 8 bytes of data",
            "found 9 bytes"),
    ]

    private static let headers = [
        HostileFile("not JSON", safetensors("PK\u{3}\u{4}"), "header", "JSON", "byte 0"),
        HostileFile("JSON cut off", safetensors("{\"x\":{"), "header", "JSON", "byte 6"),
        HostileFile("a list", safetensors("[]"), "header", "an object", "found a list of 0"),
        HostileFile(
            "invalid UTF-8", safetensors([0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D]), "header",
            "UTF-8"),
        HostileFile(
            "deep nesting", safetensors([UInt8](repeating: 0x5B, count: 1 << 20)), "header",
            "32 levels of nesting"),
        HostileFile(
            "two tensors of one name",
            safetensors(
                "{\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
                    + "\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"),
            "header", "\"x\" stands twice"),
        HostileFile(
            "metadata that is no object", safetensors("{\"__metadata__\":[1]}"), "__metadata__",
            "an object of texts", "a list of 1"),
        HostileFile(
            "metadata that is no text", safetensors("{\"__metadata__\":{\"k\":1}}"),
            "__metadata__ \"k\"", "a text", "found 1"),
        HostileFile(
            "a name that would move the cursor", safetensors("{\"\\u001b[2Jx\":1}"),
            "tensor \"\u{FFFD}[2Jx\""),
    ]

    private static let tensors = [
        HostileFile(
            "tensor that is no object", safetensors("{\"x\":1}"), "tensor \"x\"", "a dtype",
            "found none"),
        HostileFile(
            "unknown dtype", safetensors(tensor(type: "\"F31\""), data: 8), "tensor \"x\"",
            "a dtype of F64", "found \"F31\""),
        HostileFile(
            "dtype that is no text", safetensors(tensor(type: "4"), data: 8), "tensor \"x\"",
            "found 4"),
        HostileFile(
            "no shape", safetensors(tensor("\"dtype\":\"F32\",\"data_offsets\":[0,8]"), data: 8),
            "tensor \"x\"", "a shape", "found none"),
        HostileFile(
            "negative dimension", safetensors(tensor(shape: "[-2]"), data: 8), "tensor \"x\"",
            "whole numbers from 0", "found -2"),
        HostileFile(
            "dimension with a fraction", safetensors(tensor(shape: "[2.0]"), data: 8),
            "tensor \"x\"", "whole numbers", "found 2.0"),
        HostileFile(
            "dimension beyond 64 bits",
            safetensors(tensor(shape: "[18446744073709551618]"), data: 8), "tensor \"x\"",
            "found 18446744073709551618"),
        HostileFile(
            "product of dimensions beyond 64 bits",
            safetensors(tensor(shape: "[4294967296,4294967296,2]"), data: 8), "tensor \"x\"",
            "more bytes than 64 bits count", "found 8 bytes"),
        HostileFile(
            "product that wraps to the right size",
            safetensors(tensor(shape: "[4611686018427387906]"), data: 8), "tensor \"x\"",
            "more bytes than 64 bits count"),
        HostileFile(
            "product beyond 64 bits times nothing",
            safetensors(tensor(shape: "[4294967296,4294967296,0]", offsets: "[0,0]")),
            "tensor \"x\"", "more bytes than 64 bits count", "found 0 bytes"),
        HostileFile(
            "too many dimensions",
            safetensors(
                tensor(shape: "[\(Array(repeating: "1", count: 17).joined(separator: ","))]"),
                data: 8), "tensor \"x\"", "at most 16 dimensions", "a list of 17"),
        HostileFile(
            "size that does not fit", safetensors(tensor(shape: "[3]"), data: 8), "tensor \"x\"",
            "12 bytes for F32 of shape [3]", "found 8 bytes"),
    ]

    private static let arrangements = [
        HostileFile(
            "no offsets", safetensors(tensor("\"dtype\":\"F32\",\"shape\":[2]"), data: 8),
            "tensor \"x\"", "data_offsets", "found none"),
        HostileFile(
            "one offset", safetensors(tensor(offsets: "[8]"), data: 8), "tensor \"x\"",
            "data_offsets", "found [8]"),
        HostileFile(
            "negative offset", safetensors(tensor(offsets: "[-8,0]"), data: 8), "tensor \"x\"",
            "0 <= start", "found [-8, 0]"),
        HostileFile(
            "end before start", safetensors(tensor(offsets: "[8,0]"), data: 8), "tensor \"x\"",
            "start <= end", "found [8, 0]"),
        HostileFile(
            "end beyond the file", safetensors(tensor(offsets: "[8,16]"), data: 8), "tensor \"x\"",
            "end <= 8", "found [8, 16]"),
        HostileFile(
            "offset beyond 64 bits",
            safetensors(tensor(offsets: "[0,99999999999999999999]"), data: 8), "tensor \"x\"",
            "found [0, 99999999999999999999]"),
        HostileFile(
            "overlapping tensors",
            safetensors(
                "{\"x\":{\"dtype\":\"U8\",\"shape\":[6],\"data_offsets\":[0,6]},"
                    + "\"y\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}", data: 8),
            "tensor \"y\"", "data from byte 6", "data from byte 4"),
        HostileFile(
            "two tensors on the same bytes",
            safetensors(
                "{\"x\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},"
                    + "\"y\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}", data: 8),
            "tensor \"y\"", "data from byte 8", "data from byte 0"),
        HostileFile(
            "a hole between tensors",
            safetensors(
                "{\"x\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                    + "\"y\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}", data: 8),
            "tensor \"y\"", "data from byte 3", "data from byte 4"),
    ]
}
