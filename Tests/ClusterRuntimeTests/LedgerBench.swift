// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import ClusterRuntime
import Datasets
import Foundation
import GRDB
import Hashing
import Primitives
import Training

/// A run directory with a ledger of 12 steps: 3 epochs of 4 steps, 50 clips, batches of 16.
final class LedgerBench {
    static let clipCount = 50
    static let stepCount = 12

    let path = FileManager.default.temporaryDirectory
        .appending(path: "verifier-\(UUID())").path
    var configuration = RunConfiguration()
    var directory: RunDirectory { RunDirectory(path) }

    init() throws {
        configuration.seed = 3
        configuration.epochCount = 3
        configuration.data.directory = "clips"
        configuration.lanes.count = 4
        configuration.lanes.microbatchSize = 4
        try directory.prepare(configuration)
        try directory.adopt(configuration)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var order: SampleOrder {
        SampleOrder(
            seed: 3, clipCount: Self.clipCount, laneCount: 4, microbatchSize: 4)
    }

    func clips(_ step: Step) -> [Int] {
        (0..<4).flatMap { order.clips(step: step, lane: $0) }
    }

    func write(
        steps: some Sequence<Int> = 1...LedgerBench.stepCount, masked: [MaskedClip] = [],
        origin: RunOrigin? = nil, consumed: (Step, [Int]) -> [Int] = { $1 }
    ) throws {
        let ledger = try Ledger(path: directory.ledgerPath)
        _ = try ledger.register(
            .init(
                id: RunID(1), clipCount: Self.clipCount, stepCount: Self.stepCount,
                fingerprint: [1],
                origin: origin))
        for clip in masked { try ledger.append(.masked(clip, reason: "damaged")) }
        for step in steps.map({ Step(UInt64($0)) }) {
            let clips = consumed(step, clips(step))
            let payload = """
                {"alignmentLoss":0,"clipCount":\(clips.count),\
                "clips":"\(StepSummary.digest(ofClips: clips))","gradientNorm":0,\
                "learningRate":0,"loss":0,"maskedLanguageLoss":0,"skipped":false,\
                "step":\(step)}
                """
            try ledger.append(
                .committed(
                    StepReport(
                        generation: Generation(1), step: step, skipped: false, attempts: 1,
                        stateHash: [UInt8](repeating: UInt8(step.number), count: 32),
                        payload: Array(payload.utf8))))
        }
    }

    func tamper(_ sql: String) throws {
        try DatabaseQueue(path: directory.ledgerPath).write { try $0.execute(sql: sql) }
    }
}
