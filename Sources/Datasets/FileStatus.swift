// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What stands at a path, from one `stat` call: an attribute dictionary per clip would cost a
/// hundred times as much for a large collection.
struct FileStatus: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        case file(byteCount: UInt64)
        case directory
        case other
        case missing
    }

    let kind: Kind
    /// Nanoseconds since 1970, 0 when missing.
    let modifiedNanoseconds: Int64

    init(of path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            kind = .missing
            modifiedNanoseconds = 0
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: kind = .file(byteCount: UInt64(clamping: status.st_size))
        case S_IFDIR: kind = .directory
        default: kind = .other
        }
        #if os(Linux)
        let modified = status.st_mtim
        #else
        let modified = status.st_mtimespec
        #endif
        modifiedNanoseconds =
            Int64(modified.tv_sec) &* 1_000_000_000 &+ Int64(modified.tv_nsec)
    }
}
