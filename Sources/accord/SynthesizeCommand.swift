// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Datasets
import Primitives
import Synchronization

struct SynthesizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "synthesize",
        abstract: "Make real mp4 clips with annotations and learnable labels; resumes.")

    @Option(help: "How many clips: up to 200 held out, a tenth labelled, the rest unlabelled.")
    var clips: Int

    @Option(help: "Folder for annotations/, videos/ and vocab.txt; it is created.")
    var out: String

    @Option(help: "Decides every clip, byte for byte.")
    var seed: UInt64 = 2022

    @Option(help: "Encoders at a time (default: the processors).")
    var threads: Int?

    func validate() throws {
        try require(path: out, of: "--out")
        try require(clips, of: "--clips", in: 10...10_000_000)
        try require(threads, of: "--threads", in: 1...4096)
    }

    func run() throws {
        let total = clips
        let progress = ProgressLine()
        let shown = Mutex(0)
        try ClipSynthesizer(
            .init(
                clipCount: clips, directory: out, seed: seed,
                threadCount: threads ?? processorCount)
        ).run { count in
            let isDue = shown.withLock { last in
                guard count == total || count >= last + max(1, total / 20) else { return false }
                last = count
                return true
            }
            guard isDue else { return }
            progress.show("\(count) of \(total) clips")
        }
        progress.finish()
        print("wrote \(out)")
    }
}
