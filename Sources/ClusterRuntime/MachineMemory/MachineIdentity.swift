// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Says which workers can share memory: those of one boot of one machine, one network namespace,
/// for the names of doorbells belong to it, and one user.
enum MachineIdentity {
    /// nil where the system does not tell.
    static func current() -> String? {
        var namespace = stat()
        guard let boot = firstLine("/proc/sys/kernel/random/boot_id"),
            stat("/proc/self/ns/net", &namespace) == 0
        else { return nil }
        return "\(boot) \(namespace.st_ino) \(getuid())"
    }

    private static func firstLine(_ path: String) -> String? {
        FileManager.default.contents(atPath: path)
            .map { String(decoding: $0, as: UTF8.self) }?
            .split(separator: "\n").first.map(String.init)
    }
}
