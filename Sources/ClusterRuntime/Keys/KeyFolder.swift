// SPDX-License-Identifier: Apache-2.0
import Foundation
import Messaging
import Primitives

/// Who the coordinator is, and whom it takes.
package struct CoordinatorKeys: Sendable {
    let own: KeyPair
    /// By public key, the name in the list.
    let workers: [PublicKey: String]

    var encryption: Encryption {
        Encryption(own: own, allowed: AllowList(Set(workers.keys), .refuse))
    }
}

/// Who a worker is, and whom it takes for the coordinator. Other workers are announced to it.
package struct WorkerKeys: Sendable {
    let own: KeyPair
    let coordinator: PublicKey

    var encryption: Encryption {
        Encryption(own: own, allowed: AllowList([coordinator], .wait))
    }
}

/// The folder that a process gets by `--keys`: all that it needs, and nothing that others need.
///
/// ```
/// coordinator/private.key  coordinator/workers.txt
/// NAME/private.key         NAME/coordinator.key
/// ```
package struct KeyFolder: Sendable {
    static let privateName = "private-key"
    static let coordinatorName = "coordinator"

    package let path: String

    package init(_ path: String) { self.path = path }

    var privateFile: KeyFile { KeyFile(path: "\(path)/private.key") }
    var workersFile: KeyFile { KeyFile(path: "\(path)/workers.txt") }
    var coordinatorFile: KeyFile { KeyFile(path: "\(path)/coordinator.key") }

    package func coordinatorKeys() throws(ExitFailure) -> CoordinatorKeys {
        try requireFile(
            workersFile, insteadOf: coordinatorFile,
            "is the folder of a worker; the coordinator takes that named coordinator")
        var workers: [PublicKey: String] = [:]
        for line in try workersFile.lines() {
            guard let key = PublicKey(line.key) else { continue }
            if let other = workers[key] {
                throw ExitFailure(
                    .keysInvalid,
                    "\(workersFile.path): \(other) and \(line.name) have the same key; "
                        + "remove one of the lines")
            }
            workers[key] = line.name
        }
        guard !workers.isEmpty else {
            throw ExitFailure(
                .keysInvalid,
                "\(workersFile.path) names no worker; accord keygen --add NAME adds one")
        }
        return CoordinatorKeys(own: try ownPair(), workers: workers)
    }

    package func workerKeys() throws(ExitFailure) -> WorkerKeys {
        try requireFile(
            coordinatorFile, insteadOf: workersFile,
            "is the folder of the coordinator; a worker takes one that accord keygen made for it")
        let text = try coordinatorFile.key(named: Self.coordinatorName)
        guard let coordinator = PublicKey(text) else {
            throw ExitFailure(.keysInvalid, "\(coordinatorFile.path) holds no key")
        }
        return WorkerKeys(own: try ownPair(), coordinator: coordinator)
    }

    private func requireFile(
        _ file: KeyFile, insteadOf other: KeyFile, _ mistake: String
    ) throws(ExitFailure) {
        guard KeyPair.isSupported else {
            throw ExitFailure(
                .keysInvalid,
                "the libzmq of this machine cannot encrypt (it was built without CURVE); "
                    + "install that of Debian, libzmq5")
        }
        let files = FileManager.default
        guard !files.fileExists(atPath: file.path) else { return }
        throw ExitFailure(
            .keysInvalid,
            files.fileExists(atPath: other.path)
                ? "\(path) \(mistake)"
                : "\(path) holds no keys (there is no \(file.path)); accord keygen makes them")
    }

    func ownPair() throws(ExitFailure) -> KeyPair {
        let text = try privateFile.key(named: Self.privateName, isPrivate: true)
        guard let pair = KeyPair(privateText: text) else {
            throw ExitFailure(.keysInvalid, "\(privateFile.path) holds no private key")
        }
        return pair
    }
}
