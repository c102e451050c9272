// SPDX-License-Identifier: Apache-2.0
import Hashing
import Models
import Objectives
import Optimizers
import Primitives
import Tensors
import Testing

@testable import Training

@Suite struct SnapshotTests {
    private let run = TinyRun()

    private func trained(steps: Int) throws -> Replica {
        let replica = run.replica()
        for _ in 0..<steps { _ = try run.advance(replica) }
        return replica
    }

    @Test(arguments: [0, 1, 5])
    func aRestoredReplicaGoesOnBitForBit(stepCount: Int) throws {
        let original = try trained(steps: stepCount)
        let restored = run.replica()
        try restored.restore(original.encodeSnapshot())
        #expect(restored.stateHash() == original.stateHash())
        #expect(restored.appliedStep == Step(UInt64(stepCount)))

        for _ in 0..<4 {
            let summary = try run.advance(restored)
            #expect(try run.advance(original) == summary)
        }
        #expect(restored.encodeSnapshot() == original.encodeSnapshot())
        #expect(restored.stateHash() == original.stateHash())
    }

    /// Restoring replaces everything, so it does not matter what the replica was before.
    @Test func aReplicaThatWentElsewhereIsRestoredToo() throws {
        let original = try trained(steps: 2)
        let other = try trained(steps: 6)
        #expect(other.stateHash() != original.stateHash())

        try other.restore(original.encodeSnapshot())

        _ = try run.advance(original)
        _ = try run.advance(other)
        #expect(other.stateHash() == original.stateHash())
    }

    struct Part: Sendable, CustomTestStringConvertible {
        let name: String
        let change: @Sendable (Replica) -> Void
        var testDescription: String { name }
    }

    static let parts = [
        Part(name: "parameters") { $0.parameters.pointer[7] += 1 },
        Part(name: "key encoder") { $0.keyParameters.pointer[7] += 1 },
        Part(name: "first moment") { $0.optimizer.firstMoment.pointer[7] += 1 },
        Part(name: "second moment") { $0.optimizer.secondMoment.pointer[7] += 1 },
        Part(name: "text bank") {
            $0.bank(.text).enqueue([.init(clipIndex: 1, key: [0, 0, 0, 0, 1])], step: Step(1))
        },
        Part(name: "video bank") {
            $0.bank(.video).enqueue([.init(clipIndex: 1, key: [0, 0, 0, 0, 1])], step: Step(1))
        },
        Part(name: "step") { $0.appliedStep = $0.appliedStep.next },
        Part(name: "update count") { $0.updateCount += 1 },
        Part(name: "scales") { $0.scales[0] += 1 },
    ]

    @Test(arguments: parts)
    func everyPartIsInTheStateHashAndInTheSnapshot(_ part: Part) throws {
        let replica = try trained(steps: 3)
        replica.appliedStep = Step(5)
        let (hash, snapshot) = (replica.stateHash(), replica.encodeSnapshot())

        part.change(replica)
        let changed = replica.stateHash()
        #expect(changed != hash)
        #expect(replica.encodeSnapshot() != snapshot)

        let restored = run.replica()
        try restored.restore(replica.encodeSnapshot())
        #expect(restored.stateHash() == changed)
    }

    @Test func anyFlippedByteIsNoticedAndChangesNothing() throws {
        let snapshot = try trained(steps: 2).encodeSnapshot()
        let victim = try trained(steps: 1)
        let before = victim.stateHash()
        var generator = SeededGenerator(seed: 3, purpose: .testing)

        let offsets = Array(0..<400) + (0..<150).map { _ in generator.next(below: snapshot.count) }
        for offset in offsets {
            var damaged = snapshot
            damaged[offset] ^= UInt8(1 << generator.next(below: 8))
            #expect(throws: MalformedSnapshot.self, "byte \(offset)") {
                try victim.restore(damaged)
            }
        }
        #expect(victim.stateHash() == before)
    }

    @Test func cutOrLongerBytesAreRefused() throws {
        let snapshot = try trained(steps: 1).encodeSnapshot()
        let victim = run.replica()
        for count in stride(from: 0, to: snapshot.count, by: 997) {
            #expect(throws: MalformedSnapshot.self) {
                try victim.restore(Array(snapshot.prefix(count)))
            }
        }
        #expect(throws: MalformedSnapshot.self) { try victim.restore(snapshot + [0]) }
    }

    struct OtherRun: Sendable, CustomTestStringConvertible {
        let name: String
        let change: @Sendable (inout RunConfiguration) -> Void
        var testDescription: String { name }
    }

    @Test(arguments: [
        OtherRun(name: "another width") { $0.model.feedForwardWidth = 14 },
        OtherRun(name: "another depth") { $0.model.visionLayerCount = 2 },
        OtherRun(name: "as many places, for texts and frames exchanged") {
            $0.data.tokenCountMax = 2
            $0.data.frameCount = 9
        },
        OtherRun(name: "another bank") { $0.memoryBank.capacity = 11 },
        OtherRun(name: "another projection") { $0.model.projectionWidth = 6 },
    ])
    func aSnapshotOfAnotherModelIsRefused(_ other: OtherRun) throws {
        let snapshot = try trained(steps: 1).encodeSnapshot()
        var changed = run
        other.change(&changed.configuration)
        let victim = changed.replica()
        let before = victim.stateHash()

        #expect(throws: MalformedSnapshot.self) { try victim.restore(snapshot) }
        #expect(victim.stateHash() == before)
    }

    @Test func theErrorNamesTheDamagedSection() throws {
        var snapshot = try trained(steps: 1).encodeSnapshot()
        snapshot[snapshot.count - 1] ^= 1

        let error = #expect(throws: MalformedSnapshot.self) {
            try run.replica().restore(snapshot)
        }
        #expect(error?.description.contains("videoBank") == true)
    }
}
