// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import accord

/// What `accord evaluate` says to people.
@Suite struct EvaluationTextTests {
    private func clips(unreadable count: Int) -> HeldOutClips {
        HeldOutClips(split: "test", unreadable: (0..<count).map { "cannot open \($0).mp4: gone" })
    }

    @Test func unreadableClipsAreNamedWithTheirReasons() {
        #expect(clips(unreadable: 0).complaints == [])
        #expect(clips(unreadable: 1).complaints == ["left out: cannot open 0.mp4: gone"])
        #expect(clips(unreadable: 5).complaints.last == "left out: cannot open 4.mp4: gone")
    }

    @Test func manyUnreadableClipsAreCounted() {
        let complaints = clips(unreadable: 200).complaints

        #expect(complaints.count == 6)
        #expect(complaints.last == "left out: 195 more")
    }

    @Test func aScoreOverNothingIsNone() throws {
        let clips = clips(unreadable: 3)
        let failure = #expect(throws: ExitFailure.self) { try clips.requirePair(among: 0) }

        #expect(failure?.reason == .dataInvalid)
        #expect(failure?.message.contains("none of the 3 clips of split \"test\"") == true)
        #expect(failure?.message.contains("3 cannot be read") == true)
        try clips.requirePair(among: 1)
    }

    @Test func aLinePerCheckpointFitsATerminal() {
        let best = EvaluationReport.Direction(recallAt1: 1, recallAt5: 1, recallAt10: 1)
        let line = EvaluationReport.shortLine(step: 1_234_567, best, best)
        let header = EvaluationReport.shortHeader.split(separator: "\n")

        #expect(line.count <= 79)
        #expect(header.allSatisfy { $0.count <= line.count })
        // The numbers stand below their names.
        #expect(line.hasSuffix(" 100.0 % 100.0 % 100.0 %"))
        #expect(header.last?.hasSuffix("     R@1     R@5    R@10") == true)
    }
}
