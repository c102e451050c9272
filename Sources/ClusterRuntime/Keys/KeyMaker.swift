// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import Messaging
import Primitives

/// `accord keygen`: makes the folders of a coordinator and of its workers, one for each process.
///
/// Nothing that is there is ever changed, but for lines that are added to the list of workers.
package struct KeyMaker {
    private let path: String
    private let coordinator: KeyFolder

    package init(_ path: String) {
        self.path = path
        coordinator = KeyFolder("\(path)/\(KeyFolder.coordinatorName)")
    }

    private func folder(_ worker: String) -> KeyFolder { KeyFolder("\(path)/\(worker)") }

    /// A coordinator and its first workers.
    package func makeCluster(workers: [String]) throws(ExitFailure) {
        try requireSupport()
        if FileManager.default.fileExists(atPath: coordinator.path) {
            throw ExitFailure(
                .keysInvalid,
                "\(coordinator.path) is there already, and keys are never written over; "
                    + "accord keygen --out \(path) --add NAME makes keys for one more worker")
        }
        try requireNew(workers)
        let pair = KeyPair.fresh()
        let pairs = workers.map { _ in KeyPair.fresh() }
        try FileWriting.makeFolder(coordinator.path, permissions: 0o700)
        try writePrivate(pair, "the coordinator", in: coordinator)
        try coordinator.workersFile.create(
            """
            # Workers that the coordinator takes: a name and a public key in each line.
            # Without its line a worker is refused once the coordinator was started again.
            \(Self.list(workers, pairs))
            """, mode: 0o644)
        for (worker, own) in zip(workers, pairs) {
            try write(worker, own, coordinator: pair.publicKey)
        }
    }

    /// Workers of a coordinator that has its keys.
    package func add(workers: [String]) throws(ExitFailure) {
        try requireSupport()
        let pair = try coordinator.ownPair()
        let known = Set(try coordinator.workersFile.lines().map(\.name))
        if let twice = workers.first(where: known.contains) {
            throw ExitFailure(
                .keysInvalid, "\(coordinator.workersFile.path) has a worker \(twice) already")
        }
        try requireNew(workers)
        let pairs = workers.map { _ in KeyPair.fresh() }
        for (worker, own) in zip(workers, pairs) {
            try write(worker, own, coordinator: pair.publicKey)
        }
        try append(Self.list(workers, pairs))
    }

    private static func list(_ workers: [String], _ pairs: [KeyPair]) -> String {
        zip(workers, pairs).map { "\($0)  \($1.publicKey)\n" }.joined()
    }

    private func requireSupport() throws(ExitFailure) {
        guard KeyPair.isSupported else {
            throw ExitFailure(
                .keysInvalid, "the libzmq of this machine makes no keys (no CURVE)")
        }
    }

    private func requireNew(_ workers: [String]) throws(ExitFailure) {
        var seen: Set<String> = [KeyFolder.coordinatorName]
        for worker in workers {
            guard worker.wholeMatch(of: /[A-Za-z0-9][A-Za-z0-9._-]{0,63}/) != nil else {
                throw ExitFailure(
                    .usage,
                    "\"\(worker)\" is no name of a worker: letters, digits, dots, dashes, 64 at "
                        + "most, a letter or digit first")
            }
            guard seen.insert(worker).inserted else {
                throw ExitFailure(.usage, "the name \(worker) is taken; use another")
            }
            guard !FileManager.default.fileExists(atPath: folder(worker).path) else {
                throw ExitFailure(
                    .keysInvalid,
                    "\(folder(worker).path) is there already, and keys are never written over")
            }
        }
    }

    private func write(
        _ worker: String, _ pair: KeyPair, coordinator: PublicKey
    ) throws(ExitFailure) {
        let folder = folder(worker)
        try FileWriting.makeFolder(folder.path, permissions: 0o700)
        try writePrivate(pair, "the worker \(worker)", in: folder)
        try folder.coordinatorFile.create(
            """
            # The public key of the coordinator that this worker takes for the right one.
            \(KeyFolder.coordinatorName)  \(coordinator)

            """, mode: 0o644)
    }

    private func writePrivate(
        _ pair: KeyPair, _ owner: String, in folder: KeyFolder
    ) throws(ExitFailure) {
        try folder.privateFile.create(
            """
            # The private key of \(owner) of an Accord cluster. Whoever has it can take its
            # place: keep it on its machine, readable by nobody else (mode 600).
            \(KeyFolder.privateName)  \(pair.privateText)

            """, mode: 0o600)
    }

    private func append(_ text: String) throws(ExitFailure) {
        let path = coordinator.workersFile.path
        do {
            let file = try FileHandle(forWritingTo: URL(filePath: path))
            try file.seekToEnd()
            try file.write(contentsOf: Data(text.utf8))
            try file.synchronize()
        } catch {
            throw FileWriting.failure(path, error)
        }
    }
}
