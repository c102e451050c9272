// SPDX-License-Identifier: Apache-2.0
import Collectives
import Datasets
import Objectives
import Primitives
import Tensors
import Testing

@testable import Training

/// A tiny run with one of the ways to align.
struct RunVariant: Sendable, CustomTestStringConvertible {
    let name: String
    let change: @Sendable (inout RunConfiguration) -> Void

    init(_ name: String, _ change: @escaping @Sendable (inout RunConfiguration) -> Void) {
        self.name = name
        self.change = change
    }

    var testDescription: String { name }

    var run: TinyRun {
        var run = TinyRun()
        change(&run.configuration)
        return run
    }

    private static func plan(_ text: String) -> AlignmentPlan {
        guard let plan = AlignmentPlan(text: text) else { preconditionFailure(text) }
        return plan
    }

    static let all: [RunVariant] = [
        RunVariant("text-video") { _ in },
        RunVariant("six tasks, learnt temperature") {
            $0.objectives.alignmentTerms = plan("six-task")
            $0.objectives.temperatureRule = .learned
        },
        RunVariant("tcl, distillation") {
            $0.objectives.alignmentTerms = plan("tcl")
            $0.objectives.distillation = 0.4
            $0.objectives.distillationRampSteps = 3
            $0.objectives.queryDropProbability = 0.3
        },
        RunVariant("everything") { $0.objectives.alignmentTerms = plan("everything") },
        RunVariant("online keys, warm-up") {
            $0.objectives.alignmentTerms = plan("six-task")
            $0.memoryBank.keys = .online
            $0.memoryBank.warmUpSteps = 2
        },
        RunVariant("gathered keys, no bank") {
            $0.memoryBank.candidates = .gather
            $0.memoryBank.capacity = 0
        },
        RunVariant("gathered keys and banks") {
            $0.objectives.alignmentTerms = plan("six-task")
            $0.memoryBank.candidates = .gather
        },
        RunVariant("a bank on one side, negatives alone") {
            $0.memoryBank.views = BankSelection(text: "video") ?? .all
            $0.objectives.denominator = .negatives
        },
        RunVariant("a resized bank") {
            $0.memoryBank.laterStep = 3
            $0.memoryBank.laterCapacity = 4
        },
        RunVariant("hard matching") { $0.objectives.matchingWeight = 1 },
        RunVariant("random matching, dropping by row") {
            $0.objectives.alignmentTerms = plan("six-task")
            $0.objectives.matchingWeight = 0.5
            $0.objectives.matchingNegatives = .random
            $0.objectives.modalityDropping = .row
            $0.objectives.textDropProbability = 0.3
            $0.objectives.videoDropProbability = 0.3
        },
        RunVariant("online keys, dropping by step") {
            $0.memoryBank.keys = .online
            $0.objectives.modalityDropping = .step
            $0.objectives.textDropProbability = 0.5
        },
    ]
}

extension TinyRun {
    /// The microbatches of all lanes, if the run gathers keys.
    func gathered(step: Step) -> [Microbatch] {
        configuration.gathersKeys
            ? (0..<configuration.lanes.count).map { microbatch(step: step, lane: $0) } : []
    }

    /// One step of several workers, which own the lanes that `owner` gives them; the sums are
    /// added as integers, the reports put in lane order.
    func reduce(_ workers: [Replica], owner: (Int) -> Int) throws -> ReducedStep {
        let step = workers[0].appliedStep.next
        var scales = workers[0].scales
        for attempt in 1...2 {
            let key = AccumulationKey(step: step, attempt: attempt)
            let total = IntVector(count: workers[0].elementCount)
            var maxima = [UInt8](repeating: 0, count: scales.count)
            var reports = [[UInt8]](repeating: [], count: configuration.lanes.count)
            for (index, worker) in workers.enumerated() {
                let arena = Arena()
                let accumulator = worker.makeAccumulator()
                accumulator.reset(for: key, scales: scales)
                let own = (0..<configuration.lanes.count).filter { owner($0) == index }
                for lane in own {
                    let added = worker.computeLane(
                        microbatch(step: step, lane: lane), gathered: gathered(step: step),
                        key: key, arena: arena, accumulator: accumulator)
                    precondition(added, "lane \(lane) was refused")
                }
                guard !own.isEmpty else { continue }
                let contribution = accumulator.contribution()
                for place in 0..<total.count {
                    total.pointer[place] += accumulator.sums.pointer[place]
                }
                for (place, maximum) in contribution.maxima.enumerated() {
                    maxima[place] = max(maxima[place], maximum)
                }
                for report in contribution.reports { reports[report.lane] = report.report }
            }
            let decision = workers[0].rule.decide(
                scales: scales, maxima: maxima, attempt: attempt)
            guard case .secondAttempt(let larger) = decision else {
                return ReducedStep(
                    key: key, scales: scales,
                    exchanged: .init(sums: total, maxima: maxima, reports: reports))
            }
            scales = larger
        }
        preconditionFailure("the second attempt did not fit")
    }
}
