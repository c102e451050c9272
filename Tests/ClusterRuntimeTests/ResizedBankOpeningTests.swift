// SPDX-License-Identifier: Apache-2.0
import ClusterRuntime
import Foundation
import Primitives
import Testing
import Training

/// The size of the memory banks is part of the state: another one is refused at resume, unless it
/// is appointed for a step that is still to come.
@Suite struct ResizedBankOpeningTests {
    private let bench: OpeningBench

    init() throws { bench = try OpeningBench() }

    @Test func anotherCapacityIsRefused() throws {
        try bench.open()
        bench.configuration.memoryBank.capacity += 1

        let failure = #expect(throws: ExitFailure.self) { try bench.open() }

        #expect(failure?.reason == .runDirectoryRefused)
        #expect(failure?.message.contains("memoryBank.capacity: 10 -> 11") == true)
    }

    @Test func anAppointedCapacityIsAdoptedAndWrittenDown() throws {
        try bench.open()
        bench.configuration.memoryBank.laterCapacity = 20
        bench.configuration.memoryBank.laterStep = 1

        try bench.open()

        #expect(try bench.directory.configuration() == bench.configuration)
        try bench.open()
        // Nothing else comes in beside it.
        bench.configuration.memoryBank.laterStep = 2
        bench.configuration.optimizer.beta1 = 0.5
        #expect(throws: ExitFailure.self) { try bench.open() }
    }
}
