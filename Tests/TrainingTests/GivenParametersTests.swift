// SPDX-License-Identifier: Apache-2.0
import Objectives
import Optimizers
import Primitives
import Tensors
import Testing

@testable import Training

/// A run that does not begin from its seed.
@Suite struct GivenParametersTests {
    @Test func bothEncodersBeginFromThemAndNothingElseChanges() {
        let run = TinyRun()
        let (seeded, given) = (run.replica(), run.replica())

        given.begin { parameters in
            #expect(parameters.elements.elementsEqual(seeded.parameters.elements))
            parameters.pointer[5] = 0.75
        }

        let expected = seeded.parameters.elements.enumerated().map { $0 == 5 ? 0.75 : $1 }
        #expect(Array(given.parameters.elements) == expected)
        #expect(Array(given.keyParameters.elements) == expected)
        for vector in [given.optimizer.firstMoment, given.optimizer.secondMoment] {
            #expect(vector.elements.allSatisfy { $0 == 0 })
        }
        #expect(given.bank(.text).count == 0 && given.bank(.video).count == 0)
        #expect(given.appliedStep == .initial && given.scales == seeded.scales)
        #expect(given.stateHash() != seeded.stateHash())
    }

    /// The state follows from the parameters alone: what replaced them leaves no trace.
    @Test func theSameParametersAreTheSameState() {
        let run = TinyRun()
        let (seeded, given) = (run.replica(), run.replica())
        given.begin { $0.zero() }

        given.begin { $0.copy(from: seeded.parameters) }

        #expect(given.stateHash() == seeded.stateHash())
    }

    /// Lanes of a run in bf16 read rounded copies, which must follow.
    @Test func aStepFromAGivenStateIsThatOfARestoredOne() throws {
        var run = TinyRun()
        run.configuration.precision = .bf16
        let given = run.replica()
        given.begin { for index in 0..<$0.count { $0.pointer[index] *= 1.5 } }
        let restored = run.replica()
        try restored.restore(given.encodeSnapshot())

        _ = try run.advance(given)
        _ = try run.advance(restored)

        #expect(given.stateHash() == restored.stateHash())
    }
}
