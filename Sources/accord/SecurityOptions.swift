// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// How a process that speaks with other machines is protected.
struct SecurityOptions: ParsableArguments {
    @Option(
        name: .customLong("keys"),
        help: """
            Folder that accord keygen made for this process. Everything is encrypted then, and \
            only processes with known keys take part.
            """)
    var keysPath: String?

    @Flag(
        name: .customLong("trust-network"),
        help: """
            Do without keys on an address that other machines reach: whoever reaches it may take \
            part.
            """)
    var trustsNetwork = false

    func validate() throws {
        try require(path: keysPath, of: "--keys")
        guard keysPath == nil || !trustsNetwork else {
            throw ValidationError("--keys and --trust-network exclude each other")
        }
    }
}
