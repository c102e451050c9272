// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The file system of this machine.
package struct DiskStorage: Storage {
    package init() {}

    package func createDirectory(_ path: String) throws(CheckpointFailure) {
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
            throw failure("create directory", path)
        }
    }

    package func write(_ pieces: [[UInt8]], to path: String) throws(CheckpointFailure) {
        let file = try open(path, O_WRONLY | O_CREAT | O_TRUNC, "create")
        for piece in pieces {
            if let code = Self.write(piece, to: file) {
                close(file)
                throw CheckpointFailure(operation: "write", path: path, cause: .system(code))
            }
        }
        // Network file systems report a full disk here at the latest.
        guard close(file) == 0 else { throw failure("close", path) }
    }

    package func synchronizeFile(_ path: String) throws(CheckpointFailure) {
        try synchronize(path, O_RDONLY)
    }

    package func synchronizeDirectory(_ path: String) throws(CheckpointFailure) {
        try synchronize(path, O_RDONLY | O_DIRECTORY)
    }

    package func rename(_ source: String, to target: String) throws(CheckpointFailure) {
        guard Foundation.rename(source, target) == 0 else { throw failure("rename to", target) }
    }

    package func names(in path: String) throws(CheckpointFailure) -> [String]? {
        guard let stream = opendir(path) else {
            if errno == ENOENT { return nil }
            throw failure("list", path)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        guard errno == 0 else { throw failure("list", path) }
        return names
    }

    package func read(_ path: String) throws(CheckpointFailure) -> [UInt8] {
        let file = try open(path, O_RDONLY, "open")
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failure("inspect", path) }
        let byteCount = Int(status.st_size)
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            while count < byteCount {
                let received = Foundation.read(
                    file, buffer.baseAddress?.advanced(by: count), byteCount - count)
                if received == 0 { break }
                if received < 0 {
                    if errno == EINTR { continue }
                    code = errno
                    break
                }
                count += received
            }
        }
        guard code == 0 else {
            throw CheckpointFailure(operation: "read", path: path, cause: .system(code))
        }
        return bytes
    }

    package func removeDirectory(_ path: String) throws(CheckpointFailure) {
        guard let names = try names(in: path) else { return }
        for name in names where unlink("\(path)/\(name)") != 0 && errno != ENOENT {
            throw failure("remove", "\(path)/\(name)")
        }
        guard rmdir(path) == 0 || errno == ENOENT else { throw failure("remove", path) }
    }

    /// The `errno` of a failed write, nil when all bytes were taken.
    private static func write(_ bytes: [UInt8], to file: Int32) -> Int32? {
        bytes.withUnsafeBytes { buffer in
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
            return nil
        }
    }

    private func synchronize(_ path: String, _ flags: Int32) throws(CheckpointFailure) {
        let file = try open(path, flags, "open")
        guard fsync(file) == 0 else {
            let code = errno
            close(file)
            throw CheckpointFailure(operation: "synchronize", path: path, cause: .system(code))
        }
        close(file)
    }

    private func open(
        _ path: String, _ flags: Int32, _ operation: String
    ) throws(CheckpointFailure) -> Int32 {
        let file = Foundation.open(path, flags | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw failure(operation, path) }
        return file
    }

    /// To be called before anything else can change `errno`.
    private func failure(_ operation: String, _ path: String) -> CheckpointFailure {
        CheckpointFailure(operation: operation, path: path, cause: .system(errno))
    }
}
