// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import Media
import Primitives
import Synchronization
import Testing

/// Frames computed from the path; some clips are broken, for one call or for all, and every call is
/// counted.
private final class ScriptedDecoding: FrameDecoding {
    let brokenPaths: Set<String>
    private let calls = Mutex<[String: Int]>([:])
    private let gate: DispatchSemaphore?
    private let isBrokenOnce: Bool
    private let lacksMemory: Bool

    /// - Parameter gate: each decode waits for one signal.
    init(
        brokenPaths: Set<String> = [], isBrokenOnce: Bool = false, lacksMemory: Bool = false,
        gate: DispatchSemaphore? = nil
    ) {
        self.brokenPaths = brokenPaths
        self.isBrokenOnce = isBrokenOnce
        self.lacksMemory = lacksMemory
        self.gate = gate
    }

    var callsPerPath: [String: Int] { calls.withLock { $0 } }

    func decode(
        path: String, _ specification: FrameSpecification
    ) throws(MediaFailure) -> [UInt8] {
        gate?.wait()
        let count = calls.withLock { calls in
            calls[path, default: 0] += 1
            return calls[path, default: 0]
        }
        if brokenPaths.contains(path), !isBrokenOnce || count == 1 {
            throw MediaFailure(
                path: path, operation: "open", reason: "scripted damage", isLack: lacksMemory)
        }
        return Self.frames(path, specification)
    }

    static func frames(_ path: String, _ specification: FrameSpecification) -> [UInt8] {
        let seed = UInt8(path.utf8.reduce(UInt(0)) { ($0 &* 31 &+ UInt($1)) & 255 })
        let side = specification.frameSize
        let byteCount = specification.frameCount * side * side * 3
        return (0..<byteCount).map { seed &+ UInt8(truncatingIfNeeded: $0) }
    }
}

/// Notes what is being read.
private final class Witness: ReadingWitness {
    private let state = Mutex((begun: [String](), open: Set<Int>()))

    var begun: [String] { state.withLock { $0.begun } }
    var openCount: Int { state.withLock { $0.open.count } }

    func begin(reading path: String) -> Int {
        state.withLock { state in
            state.begun.append(path)
            state.open.insert(state.begun.count)
            return state.begun.count
        }
    }

    func end(_ number: Int) {
        state.withLock { state in #expect(state.open.remove(number) != nil) }
    }
}

@Suite struct MicrobatchLoaderTests {
    private let specification = FrameSpecification(frameCount: 1, frameSize: 2)

    /// 21 clips over 3 lanes of 2 rows: steps of 6, 6, 6 and 3.
    private struct Bench {
        let dataset: TemporaryDataset
        let clips: [Clip]
        let order = SampleOrder(seed: 9, clipCount: 21, laneCount: 3, microbatchSize: 2)

        init() throws {
            let dataset = try TemporaryDataset()
            self.dataset = dataset
            clips = try (0..<21).map { index in
                let path = try dataset.writeVideo(id: "\(1000 + index)")
                return Clip(id: "\(1000 + index)", title: "\(index)", path: path)
            }
        }

        func expected(
            step: Step, lane: Int, masked: Set<Int>, _ specification: FrameSpecification
        ) -> Microbatch {
            let indices = order.clips(step: step, lane: lane)
            return Microbatch(
                step: step, lane: lane,
                rows: indices.filter { !masked.contains($0) }.map { index in
                    ClipRow(
                        clipIndex: index,
                        frames: DecodedClip(
                            frames: ScriptedDecoding.frames(clips[index].path, specification),
                            frameCount: specification.frameCount),
                        tokens: [Int32(index), 7])
                },
                plannedRowCount: indices.count,
                plannedRowCountOfStep: order.plannedRowCount(step: step))
        }
    }

    private func makeLoader(
        _ bench: Bench, _ decoder: ScriptedDecoding, threadCount: Int = 2,
        heldBytesMax: Int = 1 << 20, cacheBytesMax: Int = 0, witness: Witness? = nil
    ) throws -> MicrobatchLoader {
        MicrobatchLoader(
            MicrobatchLoader.Configuration(
                specification: specification, threadCount: threadCount,
                heldBytesMax: heldBytesMax),
            source: ClipSource(
                clips: bench.clips, order: bench.order, decoder: decoder, witness: witness),
            cache: try FrameCache(.memory, bytesMax: cacheBytesMax),
            encodeText: { [Int32($0.title) ?? -1, 7] })
    }

    @Test(arguments: [1, 3], [0, 1 << 20])
    func everyMicrobatchIsTheOneOfTheSampleOrder(threadCount: Int, cacheBytesMax: Int) throws {
        let bench = try Bench()
        let decoder = ScriptedDecoding()
        let loader = try makeLoader(
            bench, decoder, threadCount: threadCount, cacheBytesMax: cacheBytesMax)

        for step in (1...8).map({ Step($0) }) {
            for lane in 0..<3 { loader.request(step: step.next, lane: lane) }
            for lane in 0..<3 {
                #expect(
                    loader.load(step: step, lane: lane)
                        == .microbatch(
                            bench.expected(step: step, lane: lane, masked: [], specification)))
            }
        }
        loader.shutDown()

        // Two epochs, and the first step of the third was announced. With the cache a clip is
        // decoded twice only if two threads meet at it around the end of an epoch.
        #expect(decoder.callsPerPath.count == 21)
        let decodeCount = decoder.callsPerPath.values.reduce(0, +)
        #expect((cacheBytesMax == 0 ? 42...48 : 21...27).contains(decodeCount))
    }

    @Test func aBrokenClipIsTriedAgainThenReportedThenMaskedAndNoOtherIsDecodedTwice() throws {
        let bench = try Bench()
        let indices = bench.order.clips(step: Step(1), lane: 1)
        let broken = indices[1]
        let decoder = ScriptedDecoding(brokenPaths: [bench.clips[broken].path])
        let loader = try makeLoader(bench, decoder)

        let first = loader.load(step: Step(1), lane: 1)
        let second = loader.load(step: Step(1), lane: 1, masked: [broken])
        loader.shutDown()

        guard case .unreadable(let clips) = first else {
            Issue.record("\(first)")
            return
        }
        #expect(clips.map(\.clipIndex) == [broken])
        #expect(clips.first?.path == bench.clips[broken].path)
        #expect(clips.first?.reason == "cannot open it: scripted damage")
        #expect(
            second
                == .microbatch(
                    bench.expected(step: Step(1), lane: 1, masked: [broken], specification)))
        #expect(
            decoder.callsPerPath == [
                bench.clips[indices[0]].path: 1, bench.clips[broken].path: 2,
            ])
    }

    /// Memory that was lacking for a moment must not cost the others a good clip.
    @Test func aClipThatCanBeReadAtTheSecondAttemptIsGood() throws {
        let bench = try Bench()
        let broken = bench.order.clips(step: Step(1), lane: 1)[1]
        let decoder = ScriptedDecoding(
            brokenPaths: [bench.clips[broken].path], isBrokenOnce: true)
        let loader = try makeLoader(bench, decoder)

        let outcome = loader.load(step: Step(1), lane: 1)
        loader.shutDown()

        let expected = bench.expected(step: Step(1), lane: 1, masked: [], specification)
        #expect(outcome == .microbatch(expected))
        #expect(decoder.callsPerPath[bench.clips[broken].path] == 2)
    }

    @Test func whoLacksMemoryForAClipEndsInsteadOfMaskingIt() async {
        await #expect(processExitsWith: .exitCode(ExitReason.memoryLacking.rawValue)) {
            let bench = try Bench()
            let paths = Set(bench.clips.map(\.path))
            let loader = try MicrobatchLoaderTests().makeLoader(
                bench, ScriptedDecoding(brokenPaths: paths, lacksMemory: true))
            _ = loader.load(step: Step(1), lane: 0)
        }
    }

    @Test func aFileThatIsNoVideoIsReportedByTheRealDecoder() throws {
        let bench = try Bench()
        let loader = MicrobatchLoader(
            MicrobatchLoader.Configuration(specification: specification),
            source: ClipSource(clips: bench.clips, order: bench.order),
            cache: try FrameCache(.memory, bytesMax: 1 << 20), encodeText: { _ in [] })

        let outcome = loader.load(step: Step(1), lane: 2)
        loader.shutDown()

        guard case .unreadable(let clips) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(clips.map(\.clipIndex) == bench.order.clips(step: Step(1), lane: 2))
        #expect(clips.allSatisfy { $0.reason.hasPrefix("cannot ") })
    }

    @Test func aMaskedClipIsNotDecoded() throws {
        let bench = try Bench()
        let indices = bench.order.clips(step: Step(1), lane: 1)
        let decoder = ScriptedDecoding()
        let loader = try makeLoader(bench, decoder)

        loader.request(step: Step(1), lane: 1, masked: [indices[0]])
        let outcome = loader.load(step: Step(1), lane: 1, masked: [indices[0], 9999])
        let empty = loader.load(step: Step(2), lane: 0, masked: Set(0..<21))
        loader.shutDown()

        #expect(
            outcome
                == .microbatch(
                    bench.expected(step: Step(1), lane: 1, masked: [indices[0]], specification)))
        #expect(
            empty
                == .microbatch(
                    bench.expected(step: Step(2), lane: 0, masked: Set(0..<21), specification)))
        #expect(decoder.callsPerPath == [bench.clips[indices[1]].path: 1])
    }

    @Test func aFrameOfTheWrongSizeIsUnreadable() throws {
        struct ShortDecoding: FrameDecoding {
            func decode(
                path: String, _ specification: FrameSpecification
            ) throws(MediaFailure) -> [UInt8] { [1, 2, 3] }
        }
        let bench = try Bench()
        let loader = MicrobatchLoader(
            MicrobatchLoader.Configuration(specification: specification),
            source: ClipSource(clips: bench.clips, order: bench.order, decoder: ShortDecoding()),
            cache: try FrameCache(.memory, bytesMax: 1 << 20), encodeText: { _ in [] })

        let outcome = loader.load(step: Step(1), lane: 0)
        loader.shutDown()

        guard case .unreadable(let clips) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(clips.count == 2)
        #expect(clips.allSatisfy { $0.reason.contains("3 bytes") })
    }

    @Test func announcementsBeyondTheBoundAreForgottenAndLoadsAreNot() throws {
        let bench = try Bench()
        let gate = DispatchSemaphore(value: 0)
        let decoder = ScriptedDecoding(gate: gate)
        // Room for 4 rows of 12 bytes.
        let loader = try makeLoader(bench, decoder, threadCount: 1, heldBytesMax: 48)

        let accepted = (0..<3).map { loader.request(step: Step(2), lane: $0) }
        for _ in 0..<21 { gate.signal() }
        let outcome = loader.load(step: Step(1), lane: 0)
        loader.discard(through: Step(2))
        let acceptedLater = loader.request(step: Step(3), lane: 0)
        loader.shutDown()

        #expect(accepted == [true, true, false])
        #expect(
            outcome
                == .microbatch(
                    bench.expected(step: Step(1), lane: 0, masked: [], specification)))
        #expect(acceptedLater)
    }

    @Test func shuttingDownReleasesThoseWhoWait() throws {
        let bench = try Bench()
        let gate = DispatchSemaphore(value: 0)
        let loader = try makeLoader(bench, ScriptedDecoding(gate: gate), threadCount: 1)
        let answers = Mutex<[LoadOutcome]>([])
        let answered = DispatchSemaphore(value: 0)
        for lane in 0..<3 {
            loader.load(step: Step(1), lane: lane) { outcome in
                answers.withLock { $0.append(outcome) }
                answered.signal()
            }
        }

        let joined = DispatchSemaphore(value: 0)
        Thread {
            loader.shutDown()
            joined.signal()
        }.start()
        for _ in 0..<3 { answered.wait() }
        gate.signal()
        joined.wait()

        #expect(answers.withLock { $0 } == [.stopped, .stopped, .stopped])
        #expect(loader.load(step: Step(1), lane: 0) == .stopped)
    }

    @Test func whatIsReadIsWitnessedFromBeginningToEndEvenInVain() throws {
        let bench = try Bench()
        let paths = bench.order.clips(step: Step(1), lane: 0).map { bench.clips[$0].path }
        let witness = Witness()
        let loader = try makeLoader(
            bench, ScriptedDecoding(brokenPaths: [paths[1]]), witness: witness)

        _ = loader.load(step: Step(1), lane: 0)
        loader.shutDown()

        #expect(witness.begun.sorted() == paths.sorted())
        #expect(witness.openCount == 0)
    }

    /// As on a file system whose server is gone.
    @Test func aClipThatIsNeverReadHoldsUpNoEnd() throws {
        let bench = try Bench()
        let gate = DispatchSemaphore(value: 0)
        let witness = Witness()
        let loader = try makeLoader(
            bench, ScriptedDecoding(gate: gate), threadCount: 1, witness: witness)
        defer { gate.signal() }
        let answered = DispatchSemaphore(value: 0)
        loader.load(step: Step(1), lane: 0) { _ in answered.signal() }

        let deadline = Date().addingTimeInterval(60)
        while witness.openCount == 0, Date() < deadline { sched_yield() }

        #expect(!loader.shutDown(within: 50))
        answered.wait()
    }
}
