// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import Messaging
import Primitives

/// A text file of keys: lines of a name and a key, and comments that begin with `#`.
///
/// The name comes first because a key may begin with `#`.
struct KeyFile {
    struct Line: Equatable {
        let name: String
        let key: String
    }

    /// Beyond any list of workers; a file that was named by mistake is not read whole.
    private static let bytesMax = 1 << 20

    let path: String

    /// - Parameter isPrivate: refused when others may read it.
    func lines(isPrivate: Bool = false) throws(ExitFailure) -> [Line] {
        try lines(of: try text(isPrivate: isPrivate))
    }

    func lines(of text: String) throws(ExitFailure) -> [Line] {
        var lines: [Line] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated()
        {
            let words = line.split(whereSeparator: \.isWhitespace)
            if words.isEmpty || line.hasPrefix("#") { continue }
            guard words.count == 2, PublicKey(String(words[1])) != nil else {
                throw failure("line \(number + 1) is not a name and a key of 40 characters")
            }
            lines.append(Line(name: String(words[0]), key: String(words[1])))
        }
        return lines
    }

    /// The one key of this name.
    func key(named name: String, isPrivate: Bool = false) throws(ExitFailure) -> String {
        let lines = try lines(isPrivate: isPrivate)
        guard lines.count == 1, lines[0].name == name else {
            throw failure("it should hold one line with \(name) and its key")
        }
        return lines[0].key
    }

    /// Never shows what the file holds.
    private func failure(_ rule: String) -> ExitFailure {
        ExitFailure(.keysInvalid, "\(path): \(rule); accord keygen writes such files")
    }

    private func text(isPrivate: Bool) throws(ExitFailure) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw failure("cannot be read: \(String(cString: strerror(errno)))")
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_size <= Self.bytesMax
        else { throw failure("it is no file of keys") }
        if isPrivate, status.st_mode & 0o077 != 0 {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw ExitFailure(
                .keysInvalid,
                "\(path): others may read this private key (mode \(mode)); if nobody has, run: "
                    + "chmod 600 \(path)")
        }
        do {
            let bytes = try file.readToEnd() ?? Data()
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw failure("it is no text")
            }
            return text
        } catch let failure as ExitFailure {
            throw failure
        } catch {
            throw failure("cannot be read: \(FileWriting.words(for: error))")
        }
    }

    /// Writes a file that was not there before.
    ///
    /// - Parameter mode: of the new file, whatever the umask.
    func create(_ text: String, mode: mode_t) throws(ExitFailure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileWriting.failure(path, errno) }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try file.write(contentsOf: Data(text.utf8))
            try file.synchronize()
        } catch {
            throw FileWriting.failure(path, error)
        }
        guard fchmod(descriptor, mode) == 0 else { throw FileWriting.failure(path, errno) }
    }
}
