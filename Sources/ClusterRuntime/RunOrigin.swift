// SPDX-License-Identifier: Apache-2.0
import Hashing
import Primitives

/// What a run began from instead of its seed: part of its identity, written once with it.
package struct RunOrigin: Codable, Hashable, Sendable {
    /// A file with parameters as it was when the run began.
    package struct File: Codable, Hashable, Sendable {
        /// As given, or inside the folder that was given.
        package let path: String
        package let sha256: Digest

        package init(path: String, sha256: Digest) {
            self.path = path
            self.sha256 = sha256
        }
    }

    package let files: [File]
    /// Of step 0.
    package let stateHash: Digest

    package init(files: [File], stateHash: Digest) {
        self.files = files
        self.stateHash = stateHash
    }

    /// The first link of the ledger's hash chain.
    package var digest: Digest {
        var writer = ByteWriter()
        writer.write(each: files) { writer, file in
            writer.write(file.path)
            writer.write(block: file.sha256.bytes)
        }
        writer.write(block: stateHash.bytes)
        return Digest(of: writer.bytes)
    }

    /// Whether these have the same content, wherever they lie now and in whatever order.
    package func isOf(_ others: [File]) -> Bool {
        Self.contents(files) == Self.contents(others)
    }

    private static func contents(_ files: [File]) -> [String] {
        files.map(\.sha256.description).sorted()
    }
}
