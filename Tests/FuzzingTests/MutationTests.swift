// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The short, deterministic share of `make fuzz`: the committed corpus, and seeded mutations of it.
///
/// A decoder that traps ends the whole run; `ACCORD_SHOW_INPUTS=1` writes each input to the
/// standard error before it is read.
@Suite struct MutationTests {
    private static let mutationCount = 3000

    @Test(arguments: FuzzedDecoder.all) func validEncodingsAreAccepted(
        _ decoder: FuzzedDecoder
    ) throws {
        let run = FuzzedRun(decoder)
        var acceptedCount = 0
        for seed in try decoder.seeds() where try run.feed(seed) == .accepted { acceptedCount += 1 }
        #expect(acceptedCount > 0)
    }

    /// `make fuzz-corpus` lets it write the seeds first.
    @Test(arguments: FuzzedDecoder.all) func theCorpusIsReadAndHoldsTheSeeds(
        _ decoder: FuzzedDecoder
    ) throws {
        if ProcessInfo.processInfo.environment["ACCORD_WRITE_CORPUS"] == "1" {
            try Corpus.writeSeeds(of: decoder)
        }
        let inputs = try Corpus.inputs(of: decoder)
        let run = FuzzedRun(decoder)
        for input in inputs {
            #expect(throws: Never.self, "\(input.name)") { try run.feed(input.bytes) }
        }
        let known = Set(inputs.map(\.bytes))
        #expect(try decoder.seeds().allSatisfy(known.contains), "run make fuzz-corpus")
    }

    @Test(arguments: FuzzedDecoder.all) func mutationsAreReadOrRefused(
        _ decoder: FuzzedDecoder
    ) throws {
        let shows = ProcessInfo.processInfo.environment["ACCORD_SHOW_INPUTS"] != nil
        let corpus = try Corpus.inputs(of: decoder).map(\.bytes) + decoder.seeds()
        var mutator = Mutator(seed: 1, corpus: corpus)
        let run = FuzzedRun(decoder)
        var refusedCount = 0
        for _ in 0..<Self.mutationCount {
            let bytes = mutator.next()
            if shows {
                let line = "\(decoder.name) \(Data(bytes).base64EncodedString())\n"
                FileHandle.standardError.write(Data(line.utf8))
            }
            if try run.feed(bytes) == .refused { refusedCount += 1 }
        }
        #expect(refusedCount > Self.mutationCount / 100)
    }
}
