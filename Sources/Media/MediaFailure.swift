// SPDX-License-Identifier: Apache-2.0
import CFFmpeg

/// Why a video file could not be read or written.
package struct MediaFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let path: String
    /// For example "open" or "decode".
    package let operation: String
    package let reason: String

    package init(path: String, operation: String, reason: String) {
        self.path = path
        self.operation = operation
        self.reason = reason
    }

    package var description: String { "cannot \(operation) \(path): \(reason)" }
}

/// The path for the error messages of one file.
struct MediaFile {
    let path: String

    func failure(_ operation: String, _ reason: String) -> MediaFailure {
        MediaFailure(path: path, operation: operation, reason: reason)
    }

    /// - Throws: when the code that FFmpeg returned is an error.
    @discardableResult
    func check(_ code: CInt, _ operation: String) throws(MediaFailure) -> CInt {
        guard code < 0 else { return code }
        var buffer = [CChar](repeating: 0, count: Int(AV_ERROR_MAX_STRING_SIZE))
        accord_av_error_text(code, &buffer, buffer.count)
        let text = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        throw failure(operation, String(decoding: text, as: UTF8.self))
    }
}
