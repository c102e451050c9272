// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Foundation
import Logging
import Messaging
import Primitives
import Testing

@testable import ClusterRuntime

@Suite struct MachineLinkTests {
    private func link(_ worker: WorkerID) throws -> MachineLink {
        try MachineLink(
            run: RunID(3), worker: worker,
            memory: WorkerMemory(DataPlaneWorld.shared(Mailbox())),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func workers() -> (WorkerID, WorkerID) {
        var generator = SystemRandomNumberGenerator()
        return (WorkerID(generator.next()), WorkerID(generator.next()))
    }

    private func isReadable(_ link: MachineLink) -> Bool {
        var item = pollfd(fd: link.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&item, 1, 0) == 1
    }

    @Test func neighboursHaveEachOthersSegmentsOnceBothHaveTheirPlan() throws {
        let (one, two) = workers()
        let (first, second) = (try link(one), try link(two))

        first.configure([1: two])
        #expect(first.segments == nil)
        #expect(first.missing == [two])
        second.configure([0: one])
        first.exchangeSegments()

        #expect(second.segments?.keys.sorted() == [0])
        #expect(first.segments?.keys.sorted() == [1])
        #expect(first.missing.isEmpty && !first.hasUnserved)
    }

    /// What comes before the plan of a generation is for that generation.
    @Test func aSegmentThatComesBeforeThePlanIsKept() throws {
        let (one, two) = workers()
        let (first, second) = (try link(one), try link(two))
        second.configure([0: one])
        first.exchangeSegments()

        first.configure([:])
        first.configure([1: two])
        #expect(first.missing.isEmpty, "it came after the plan before")

        first.configure([:])
        first.configure([1: two])
        #expect(first.missing == [two], "the plan between did without it")
        second.configure([0: one])
        first.exchangeSegments()
        #expect(first.missing.isEmpty, "each generation hands segments over again")
    }

    @Test func whoWaitsIsRungAndWhoDoesNotIsLeftAlone() throws {
        let (one, two) = workers()
        let (first, second) = (try link(one), try link(two))
        first.configure([1: two])
        second.configure([0: one])
        first.exchangeSegments()
        second.exchangeSegments()

        second.ringNeighbours()
        #expect(!isReadable(first))
        first.announceWaiting()
        second.ringNeighbours()
        #expect(isReadable(first))
        first.announceAwake()
        first.exchangeSegments()
        second.ringNeighbours()
        #expect(!isReadable(first))
    }
}
