// SPDX-License-Identifier: Apache-2.0
import CFFmpeg

/// A path, and what goes wrong there.
struct MediaFile: Sendable {
    let path: String

    /// FFmpeg would take a path such as "concat:a|b" for a protocol.
    var location: String { "file:" + path }

    func failure(_ operation: String, _ reason: String) -> MediaFailure {
        failure(operation, reason, code: 0)
    }

    /// Of a file that was read well, but is not one that we take.
    func refusal(_ operation: String, _ reason: String) -> MediaFailure {
        MediaFailure(path: path, operation: operation, reason: reason)
    }

    func outOfMemory(_ operation: String) -> MediaFailure {
        failure(operation, "out of memory")
    }

    private func failure(_ operation: String, _ reason: String, code: CInt) -> MediaFailure {
        MediaFailure(
            path: path, operation: operation, reason: reason, isLack: accord_av_is_lack(code))
    }

    /// - Throws: when the code that FFmpeg returned is an error.
    @discardableResult
    func check(_ code: CInt, _ operation: String) throws(MediaFailure) -> CInt {
        guard code < 0 else { return code }
        throw failure(operation, Self.text(of: code), code: code)
    }

    private static func text(of code: CInt) -> String {
        if code == accord_av_end { return "the file ends too early" }
        if code == accord_av_invalid_data { return "the data are damaged or not a video" }
        var buffer = [CChar](repeating: 0, count: Int(AV_ERROR_MAX_STRING_SIZE))
        accord_av_error_text(code, &buffer, buffer.count)
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
