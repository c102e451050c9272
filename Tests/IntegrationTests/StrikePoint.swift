// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A system call of a process at which it dies: instead of it, or as soon as it has returned.
///
/// The library `StrikePoints` is loaded into the process; the program itself knows nothing of it.
struct StrikePoint: CustomStringConvertible {
    enum Call: String { case fdatasync, fsync, pwrite64, rename, send }
    enum Moment: String { case before, after }

    let call: Call
    /// The first is 1.
    let number: Int
    var moment = Moment.before

    var description: String { "\(moment) \(call) \(number)" }

    /// Of the environment.
    var variables: [String: String] {
        let library = AccordProcess.executable.deletingLastPathComponent()
            .appending(path: "libStrikePoints.so")
        precondition(FileManager.default.fileExists(atPath: library.path), library.path)
        return ["LD_PRELOAD": library.path, "ACCORD_STRIKE": "\(call) \(number) \(moment)"]
    }
}
