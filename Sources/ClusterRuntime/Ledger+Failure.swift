// SPDX-License-Identifier: Apache-2.0
import Foundation
import GRDB
import Primitives

/// What cannot be read or written, and what helps.
extension Ledger {
    /// See https://www.sqlite.org/uri.html.
    static func immutableAddress(of path: String) -> String {
        "\(URL(filePath: path).absoluteString)?immutable=1"
    }

    static func failure(
        _ operation: String, _ path: String, _ error: any Error
    ) -> ExitFailure {
        let code = (error as? DatabaseError)?.resultCode
        guard [.SQLITE_READONLY, .SQLITE_CANTOPEN].contains(code), operation != "write",
            FileManager.default.isReadableFile(atPath: path)
        else {
            return ExitFailure(.storageFailed, "cannot \(operation) the ledger \(path): \(error)")
        }
        return ExitFailure(
            .storageFailed,
            "cannot \(operation) the ledger \(path): until a coordinator has ended in order, this "
                + "takes a folder that you may write to; ask as the user who started the run")
    }
}
