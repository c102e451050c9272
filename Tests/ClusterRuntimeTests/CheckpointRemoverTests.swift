// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Logging
import Primitives
import Testing

@testable import ClusterRuntime

@Suite struct CheckpointRemoverTests {
    /// What is asked while a removal is under way is done after it, and nothing later than the
    /// newest that was told goes.
    @Test func theNewestUpToTheOneThatTheLedgerKnowsStay() throws {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "remover-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let store = CheckpointStore(directory: path)
        for number in 1...9 as ClosedRange<UInt64> {
            try store.publish(
                [1, 2, 3], step: Step(number),
                stateHash: [UInt8](repeating: UInt8(number), count: 32))
        }
        let remover = CheckpointRemover(store, keepCount: 2, Logger(label: "test"))

        for number in 3...8 as ClosedRange<UInt64> { remover.remove(before: Step(number)) }
        remover.finish()

        #expect(try store.publishedSteps() == [Step(7), Step(8), Step(9)])
    }
}
