// SPDX-License-Identifier: Apache-2.0
import Models
import Objectives
import Primitives
import Tensors

extension Replica {
    /// What the lanes tell of a step, in lane order.
    func summarise(_ reports: [LaneReport]) -> StepSummary {
        var summary = StepSummary(step: 0)
        let clipIndices = reports.flatMap(\.clipIndices)
        summary.clipCount = clipIndices.count
        summary.clips = StepSummary.digest(ofClips: clipIndices)
        let weights = configuration.objectives
        let tokens = reports.reduce(0) { $0 + $1.chosenTokenCount }
        let language = reports.reduce(0) { $0 + $1.maskedLanguageLoss }
        summary.maskedLanguageLoss = tokens == 0 ? 0 : language / Double(tokens)
        summary.loss = Double(weights.maskedLanguageWeight) * summary.maskedLanguageLoss
        if weights.alignmentWeight > 0 {
            summariseAlignment(reports, &summary)
            summary.loss += Double(weights.alignmentWeight) * summary.alignmentLoss
        }
        if weights.matchingWeight > 0 {
            summariseMatching(reports, &summary)
            summary.loss += Double(weights.matchingWeight) * (summary.matchingLoss ?? 0)
        }
        return summary
    }

    private func summariseAlignment(_ reports: [LaneReport], _ summary: inout StepSummary) {
        let plan = configuration.objectives.alignmentTerms
        var ofTerms = [Double](repeating: 0, count: plan.terms.count)
        for (index, direction) in plan.directions.enumerated() {
            let count = reports.reduce(0) { $0 + $1.directions[index].count }
            let sum = reports.reduce(0) { $0 + $1.directions[index].sum }
            let mean = count == 0 ? 0 : sum / Double(count)
            summary.alignmentLoss += Double(direction.share) * mean
            let term = plan.terms[direction.term]
            ofTerms[direction.term] += term.isCrossModal ? mean / 2 : mean
        }
        if plan.terms.count > 1 {
            summary.alignmentTerms = Dictionary(
                uniqueKeysWithValues: zip(plan.terms.map(\.name), ofTerms))
        }
        if let logTemperature = model.logTemperature {
            summary.temperature = configuration.temperature.value(
                logarithm: parameters.pointer[model.layout[logTemperature].offset])
        }
    }

    private func summariseMatching(_ reports: [LaneReport], _ summary: inout StepSummary) {
        let count = reports.reduce(0) { $0 + $1.matching.count }
        let sum = reports.reduce(0) { $0 + $1.matching.sum }
        let right = reports.reduce(0) { $0 + $1.matching.rightCount }
        summary.matchingLoss = count == 0 ? 0 : sum / Double(count)
        summary.matchingAccuracy = count == 0 ? 0 : Double(right) / Double(count)
    }
}
