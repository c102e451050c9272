// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A regular file that is open for reading; closed with the last reference.
///
/// Read with `pread` and not mapped: a mapped file that somebody cuts while we read kills the
/// process, and a tensor is read once, into the place where it stays.
/// Isolation: any thread at a time.
final class OpenFile {
    let path: String
    let byteCount: Int
    private let descriptor: Int32

    init(_ path: String) throws(WeightFileFailure) {
        self.path = path
        // A pipe would wait for its writer without O_NONBLOCK.
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let reason = String(cString: strerror(errno))
            throw WeightFileFailure(path, expected: "a readable file", found: "\(reason)")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw WeightFileFailure(
                path, expected: "a regular file", found: "a folder or a device")
        }
        byteCount = Int(status.st_size)
    }

    deinit { close(descriptor) }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Fills the buffer from `offset` on.
    func read(
        _ buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(WeightFileFailure) {
        var done = 0
        while done < buffer.count {
            let target = buffer.baseAddress?.advanced(by: done)
            let count = pread(descriptor, target, buffer.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let found =
                    count == 0
                    ? "the end of the file at byte \(offset + done)"
                    : String(cString: strerror(errno))
                throw WeightFileFailure(
                    path, expected: "\(buffer.count) bytes from byte \(offset)", found: found,
                    kind: count == 0 ? .invalid : .storage)
            }
            done += count
        }
    }

    func readBytes(_ range: Range<Int>) throws(WeightFileFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        var failure: WeightFileFailure?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(WeightFileFailure) {
                try read(buffer, at: range.lowerBound)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }
}
