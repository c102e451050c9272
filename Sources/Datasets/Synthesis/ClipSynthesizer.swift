// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Primitives
import Synchronization
import Threads

/// Makes a data set of real mp4 clips with annotations in the challenge's layout.
///
/// ```
/// DIR/annotations/{labeled,unlabeled,test}.json    DIR/annotations/test_labels.csv
/// DIR/videos/<last three characters of the id>/<id>.mp4    DIR/vocab.txt
/// ```
/// Everything is a function of the seed, byte for byte. Clips that are there already are kept, so
/// an interrupted run is resumed by the same command; annotations are written last.
package struct ClipSynthesizer: Sendable {
    package struct Configuration: Sendable {
        package var clipCount: Int
        package var directory: String
        package var seed: UInt64
        package var threadCount: Int

        package init(clipCount: Int, directory: String, seed: UInt64, threadCount: Int) {
            self.clipCount = clipCount
            self.directory = directory
            self.seed = seed
            self.threadCount = threadCount
        }
    }

    /// How the clips are split: held-out clips first, then labelled, then the rest.
    package struct Split: Equatable, Sendable {
        package let testCount: Int
        package let labeledCount: Int
        package let unlabeledCount: Int

        package init(clipCount: Int) {
            testCount = min(200, clipCount * 15 / 100)
            labeledCount = clipCount / 10
            unlabeledCount = clipCount - testCount - labeledCount
        }
    }

    private let configuration: Configuration

    package init(_ configuration: Configuration) { self.configuration = configuration }

    /// - Parameter progress: gets the number of finished clips, from any thread.
    package func run(progress: @escaping @Sendable (Int) -> Void) throws(ExitFailure) {
        try prepare()
        try makeClips(progress)
        try writeAnnotations()
    }

    private func prepare() throws(ExitFailure) {
        let recipe = "seed \(configuration.seed), \(configuration.clipCount) clips\n"
        let path = "\(configuration.directory)/synthesis.txt"
        try refuseForeignFolder(recipe: path)
        if let data = FileManager.default.contents(atPath: path) {
            let old = String(decoding: data, as: UTF8.self)
            guard old == recipe else {
                let trimmed = old.trimmingCharacters(in: .newlines)
                throw ExitFailure(
                    .dataInvalid,
                    "\(configuration.directory) holds another synthetic data set (\(trimmed)); "
                        + "choose another --out or remove it")
            }
        }
        try FileWriting.makeFolder("\(configuration.directory)/annotations")
        try FileWriting.replace(path, with: Data(recipe.utf8))
    }

    /// Clips must not land among the files of something else.
    private func refuseForeignFolder(recipe: String) throws(ExitFailure) {
        let files = FileManager.default
        guard !files.fileExists(atPath: recipe),
            files.fileExists(atPath: configuration.directory)
        else { return }
        let names: [String]
        do {
            names = try files.contentsOfDirectory(atPath: configuration.directory)
        } catch {
            throw FileWriting.failure(configuration.directory, error)
        }
        guard let name = names.sorted().first else { return }
        throw ExitFailure(
            .dataInvalid,
            "\(configuration.directory) holds other files (\(name)); choose another --out or an "
                + "empty folder")
    }

    // MARK: - Clips

    private struct Work {
        var next = 0
        var finishedCount = 0
        var failure: ExitFailure?
    }

    private func makeClips(_ progress: @escaping @Sendable (Int) -> Void) throws(ExitFailure) {
        let work = WorkState()
        let group = DispatchGroup()
        for thread in 0..<max(1, configuration.threadCount) {
            group.enter()
            _ = NamedThread("synthesis-\(thread)") { [self] in
                while let index = work.take(below: configuration.clipCount) {
                    work.finish(Result { () throws(ExitFailure) in try makeClip(index) }, progress)
                }
                group.leave()
            }
        }
        group.wait()
        if let failure = work.failure { throw failure }
    }

    /// What the threads share. Protected by its mutex.
    private final class WorkState: Sendable {
        private let work = Mutex(Work())

        func take(below count: Int) -> Int? {
            work.withLock { work in
                guard work.failure == nil, work.next < count else { return nil }
                work.next += 1
                return work.next - 1
            }
        }

        func finish(
            _ result: Result<Void, ExitFailure>, _ progress: @Sendable (Int) -> Void
        ) {
            let count = work.withLock { work in
                work.finishedCount += 1
                if case .failure(let failure) = result { work.failure = work.failure ?? failure }
                return work.finishedCount
            }
            progress(count)
        }

        var failure: ExitFailure? { work.withLock { $0.failure } }
    }

    private func makeClip(_ index: Int) throws(ExitFailure) {
        let script = ClipScript(seed: configuration.seed, index: index)
        let path = Clip.videoPath(id: script.id, in: configuration.directory)
        guard !FileManager.default.fileExists(atPath: path) else { return }
        let partial = "\(path).partial"
        try FileWriting.makeFolder(URL(filePath: path).deletingLastPathComponent().path)
        do {
            try encode(script, to: partial)
        } catch {
            throw ExitFailure(.storageFailed, "\(error)")
        }
        // A clip that has its name is kept for ever, so it must be whole.
        try FileWriting.publish(partial, as: path)
    }

    private func encode(_ script: ClipScript, to path: String) throws(MediaFailure) {
        let encoder = try VideoEncoder(
            path: path,
            .init(
                width: script.width, height: script.height,
                framesPerSecond: script.framesPerSecond))
        var renderer = SceneRenderer(script)
        for frame in 0..<script.frameCount {
            try renderer.draw(frame: frame) { rgb throws(MediaFailure) in
                try encoder.append(rgb: rgb)
            }
        }
        try encoder.finish()
    }

    // MARK: - Annotations

    /// One clip as the challenge's JSON has it.
    private struct Annotation: Encodable {
        struct Recognised: Encodable {
            let time: Int
            let text: String
        }

        let id: String
        let title: String
        let asr: String
        let ocr: [Recognised]
        let category: String?

        enum CodingKeys: String, CodingKey {
            case id, title, asr, ocr
            case category = "category_id"
        }

        init(_ script: ClipScript, isLabeled: Bool) {
            id = script.id
            title = script.text.title
            asr = script.text.speech
            ocr = script.text.ocr.enumerated().map { Recognised(time: $0 * 2, text: $1) }
            category = isLabeled ? LabelRule.categories[script.category].code : nil
        }
    }

    private func writeAnnotations() throws(ExitFailure) {
        let split = Split(clipCount: configuration.clipCount)
        let test = 0..<split.testCount
        let labeled = test.upperBound..<test.upperBound + split.labeledCount
        let unlabeled = labeled.upperBound..<configuration.clipCount
        try write(test, isLabeled: false, to: "annotations/test.json")
        try write(labeled, isLabeled: true, to: "annotations/labeled.json")
        try write(unlabeled, isLabeled: false, to: "annotations/unlabeled.json")
        let labels = test.map { index in
            let script = ClipScript(seed: configuration.seed, index: index)
            return "\(script.id),\(LabelRule.categories[script.category].code)\n"
        }
        try write(Data(labels.joined().utf8), to: "annotations/test_labels.csv")
        let tokens = ClipText.vocabulary.joined(separator: "\n") + "\n"
        try write(Data(tokens.utf8), to: "vocab.txt")
    }

    private func write(
        _ indices: Range<Int>, isLabeled: Bool, to name: String
    ) throws(ExitFailure) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let annotations = indices.map {
            Annotation(ClipScript(seed: configuration.seed, index: $0), isLabeled: isLabeled)
        }
        let bytes: Data
        do {
            bytes = try encoder.encode(annotations)
        } catch {
            throw ExitFailure(.internalError, "the annotations cannot be encoded: \(error)")
        }
        try write(bytes, to: name)
    }

    private func write(_ data: Data, to name: String) throws(ExitFailure) {
        try FileWriting.replace("\(configuration.directory)/\(name)", with: data)
    }
}
