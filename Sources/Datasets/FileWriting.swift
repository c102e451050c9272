// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives

/// Folders that are made and files that are written where people say, and, where that fails, what
/// the system says of it: Foundation's own errors are pictures of objects.
///
/// Isolation: any thread; calls block.
package enum FileWriting {
    /// Makes the folder, and those above it that are not there.
    ///
    /// - Parameter permissions: of what is made; nil leaves them to the umask.
    package static func makeFolder(
        _ path: String, permissions: mode_t? = nil
    ) throws(ExitFailure) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true,
                attributes: permissions.map { [.posixPermissions: Int($0)] })
        } catch {
            throw failure(path, error)
        }
    }

    /// Writes the file as a whole: whenever this process ends, it is the old one or the new one.
    package static func replace(_ path: String, with content: Data) throws(ExitFailure) {
        do {
            try content.write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw failure(path, error)
        }
    }

    /// Gives a finished file its name. The content is durable before: a power cut would otherwise
    /// leave the name on an empty file.
    package static func publish(_ partial: String, as path: String) throws(ExitFailure) {
        do {
            let file = try FileHandle(forReadingFrom: URL(filePath: partial))
            try file.synchronize()
            try file.close()
        } catch {
            throw failure(partial, error)
        }
        guard rename(partial, path) == 0 else { throw failure(path, errno) }
    }

    /// - Parameter code: an `errno`.
    package static func failure(_ path: String, _ code: CInt) -> ExitFailure {
        ExitFailure(
            .storageFailed, "\(path): \(String(cString: strerror(code))); \(nextStep(after: code))")
    }

    /// - Parameter error: of Foundation.
    package static func failure(_ path: String, _ error: any Error) -> ExitFailure {
        if let code = systemCode(of: error) { return failure(path, code) }
        return ExitFailure(.storageFailed, "\(path): \(error.localizedDescription)")
    }

    /// What the system says, in its words.
    ///
    /// - Parameter error: of Foundation.
    package static func words(for error: any Error) -> String {
        systemCode(of: error).map { String(cString: strerror($0)) } ?? error.localizedDescription
    }

    private static func systemCode(of error: any Error) -> CInt? {
        // Below it stands a POSIXError, which is cast to an NSError only as an Error.
        let inner = (error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error
        return [error, inner].compactMap { $0.map { $0 as NSError } }
            .first { $0.domain == NSPOSIXErrorDomain }
            .map { CInt(truncatingIfNeeded: $0.code) }
    }

    private static func nextStep(after code: CInt) -> String {
        switch code {
        case EACCES, EPERM, EROFS: "name another folder, or get the right to write there"
        case ENOTDIR, EEXIST, EISDIR: "something else has this name; choose another"
        case ENOSPC, EDQUOT: "make room, then repeat the command"
        case ENOENT: "is the path right?"
        default: "look at the disk, then repeat the command"
        }
    }
}
