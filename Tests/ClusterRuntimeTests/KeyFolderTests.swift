// SPDX-License-Identifier: Apache-2.0
import Foundation
import Messaging
import Primitives
import Testing

@testable import ClusterRuntime

/// What `accord keygen` writes, and what `--keys` reads of it.
@Suite struct KeyFolderTests {
    /// Goes away with its last reference.
    private final class Place {
        let path = FileManager.default.temporaryDirectory.appending(path: "keys-\(UUID())").path
        var maker: KeyMaker { KeyMaker(path) }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func mode(_ name: String) throws -> Int {
            let all = try FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")
            return try #require(all[.posixPermissions] as? Int)
        }

        func text(_ name: String) throws -> String {
            try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
        }

        func write(_ text: String, _ name: String) throws {
            try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
        }

        func coordinator() throws -> CoordinatorKeys {
            try KeyFolder("\(path)/coordinator").coordinatorKeys()
        }

        func worker(_ name: String) throws -> WorkerKeys {
            try KeyFolder("\(path)/\(name)").workerKeys()
        }
    }

    @Test func theFoldersOfAClusterFitTogether() throws {
        let place = Place()
        try place.maker.makeCluster(workers: ["worker-1", "worker-2"])

        let coordinator = try place.coordinator()
        let workers = try ["worker-1", "worker-2"].map { try place.worker($0) }

        #expect(coordinator.workers.count == 2)
        #expect(workers.map { coordinator.workers[$0.own.publicKey] } == ["worker-1", "worker-2"])
        #expect(workers.allSatisfy { $0.coordinator == coordinator.own.publicKey })
    }

    @Test func onlyTheOwnerReadsPrivateKeys() throws {
        let place = Place()
        try place.maker.makeCluster(workers: ["a"])

        for name in ["coordinator", "a"] {
            #expect(try place.mode(name) == 0o700)
            #expect(try place.mode("\(name)/private.key") == 0o600)
            #expect(try place.text("\(name)/private.key").hasPrefix("# The private key of "))
        }
        #expect(try place.mode("coordinator/workers.txt") == 0o644)
    }

    @Test func theListNamesPublicKeysOnly() throws {
        let place = Place()
        try place.maker.makeCluster(workers: ["a"])

        let list = try place.text("coordinator/workers.txt")
        let own = try place.worker("a").own

        #expect(list.contains("a  \(own.publicKey)\n"))
        #expect(!list.contains(own.privateText))
    }

    @Test func aWorkerThatIsAddedIsTakenAndTheOthersStay() throws {
        let place = Place()
        try place.maker.makeCluster(workers: ["a"])
        let before = try place.worker("a").own.publicKey

        try place.maker.add(workers: ["b"])

        let names = try place.coordinator().workers
        #expect(names[before] == "a")
        #expect(names[try place.worker("b").own.publicKey] == "b")
        #expect(names.count == 2)
    }

    private func failure(
        saying text: String, _ reason: ExitReason = .keysInvalid,
        sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
    ) {
        let failure = #expect(throws: ExitFailure.self, sourceLocation: sourceLocation) {
            try body()
        }
        #expect(failure?.reason == reason, sourceLocation: sourceLocation)
        #expect(
            failure?.message.contains(text) == true, "\(failure?.message ?? "")",
            sourceLocation: sourceLocation)
    }

    @Test func nothingIsWrittenOver() throws {
        let place = Place()
        try place.maker.makeCluster(workers: ["a"])
        let before = try ["coordinator", "a"].map { try place.text("\($0)/private.key") }

        failure(saying: "is there already") { try place.maker.makeCluster(workers: ["b"]) }
        failure(saying: "has a worker a already") { try place.maker.add(workers: ["b", "a"]) }
        try FileManager.default.createDirectory(
            atPath: "\(place.path)/c", withIntermediateDirectories: false)
        failure(saying: "c is there already") { try place.maker.add(workers: ["b", "c"]) }

        #expect(try ["coordinator", "a"].map { try place.text("\($0)/private.key") } == before)
        #expect(try place.coordinator().workers.count == 1)
        #expect(!FileManager.default.fileExists(atPath: "\(place.path)/b"))
    }

    @Test(arguments: ["", "a/b", "../x", ".hidden", "two words", "coordinator", "-a", "x\n"])
    func whatIsNoNameIsRefused(_ name: String) {
        let place = Place()
        failure(saying: "name", .usage) { try place.maker.makeCluster(workers: ["a", name]) }
        #expect(!FileManager.default.fileExists(atPath: place.path))
    }

    @Test func aNameThatIsThereTwiceIsRefused() {
        failure(saying: "the name a is taken", .usage) {
            try Place().maker.makeCluster(workers: ["a", "a"])
        }
    }

    @Test(arguments: [0o640, 0o604, 0o644, 0o660]) func aPrivateKeyThatOthersReadIsRefused(
        _ mode: Int
    ) throws {
        let place = Place()
        try place.maker.makeCluster(workers: ["a"])
        let path = "\(place.path)/a/private.key"
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)

        failure(saying: "chmod 600 \(path)") { _ = try place.worker("a") }
    }

    @Test func theWrongFolderIsExplained() throws {
        let place = Place()
        try place.maker.makeCluster(workers: ["a"])

        failure(saying: "a is the folder of a worker") {
            _ = try KeyFolder("\(place.path)/a").coordinatorKeys()
        }
        failure(saying: "is the folder of the coordinator") { _ = try place.worker("coordinator") }
        failure(saying: "holds no keys") { _ = try place.worker("nowhere") }
        failure(saying: "accord keygen") { _ = try KeyFolder(place.path).coordinatorKeys() }
    }

    @Test(arguments: [
        "private-key  short\n", "private-key\n", "", "public-key  KEY\n",
        "private-key  KEY\nprivate-key  KEY\n", "\u{0}\u{1}",
    ])
    func aDamagedPrivateKeyIsRefusedWithoutShowingIt(_ text: String) throws {
        let place = Place()
        try place.maker.makeCluster(workers: ["a"])
        let secret = try place.worker("a").own.privateText
        try place.write(text.replacing("KEY", with: secret), "a/private.key")

        let failure = #expect(throws: ExitFailure.self) { try place.worker("a") }

        #expect(failure?.reason == .keysInvalid)
        #expect(failure?.message.contains(secret) == false)
        #expect(failure?.message.contains("a/private.key") == true)
    }

    @Test func aListMayHaveCommentsAndBlankLines() throws {
        let place = Place()
        try place.maker.makeCluster(workers: ["a"])
        let list = try place.text("coordinator/workers.txt")
        let key = KeyPair.fresh().publicKey
        try place.write("# mine\n\n" + list + "\n  spare \t \(key)  \n", "coordinator/workers.txt")

        #expect(try place.coordinator().workers[key] == "spare")
    }

    @Test func aListWithoutWorkersOrWithOneKeyTwiceIsRefused() throws {
        let place = Place()
        try place.maker.makeCluster(workers: ["a"])
        let key = try place.worker("a").own.publicKey

        try place.write("# none\n", "coordinator/workers.txt")
        failure(saying: "names no worker") { _ = try place.coordinator() }
        try place.write("a \(key)\nb \(key)\n", "coordinator/workers.txt")
        failure(saying: "a and b have the same key") { _ = try place.coordinator() }
        try place.write("a \(key)\nb\n", "coordinator/workers.txt")
        failure(saying: "line 2") { _ = try place.coordinator() }
    }
}
