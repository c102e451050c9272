// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Says which workers can share memory: those of one boot of one machine, of one network namespace,
/// for the names of doorbells belong to it, and of one user as one user namespace counts them.
enum MachineIdentity {
    /// nil where the system does not tell.
    static func current() -> String? {
        guard let boot = firstLine("/proc/sys/kernel/random/boot_id"),
            let network = inode("/proc/self/ns/net"), let user = inode("/proc/self/ns/user")
        else { return nil }
        return "\(boot) \(network) \(user) \(getuid())"
    }

    private static func inode(_ path: String) -> UInt64? {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    private static func firstLine(_ path: String) -> String? {
        FileManager.default.contents(atPath: path)
            .map { String(decoding: $0, as: UTF8.self) }?
            .split(separator: "\n").first.map(String.init)
    }
}
