// SPDX-License-Identifier: Apache-2.0
import Collectives
import Models
import NeuralNetworks
import Objectives

/// Rules between keys: docs/configuration.md lists them.
extension RunConfiguration {
    /// The first rule that the configuration breaks, for a message; nil if it keeps all.
    var brokenRule: String? {
        sizesBroken ?? lossesBroken ?? temperatureBroken ?? droppingBroken ?? bankBroken
            ?? matchingBroken
    }

    private var sizesBroken: String? {
        if data.directory.isEmpty {
            return "data.directory is missing; name the folder with annotations/ and videos/"
        }
        let bits = ExactSums.resolutionBitsMin...ExactSums.resolutionBitsMax(laneCount: lanes.count)
        if lanes.resolutionBits != 0, !bits.contains(lanes.resolutionBits) {
            return "lanes.resolutionBits is \(lanes.resolutionBits), must be 0 or "
                + "\(bits.lowerBound)...\(bits.upperBound) with lanes.count \(lanes.count)"
        }
        if !model.width.isMultiple(of: model.headCount) {
            return "model.width is \(model.width), must be a multiple of model.headCount "
                + "(\(model.headCount))"
        }
        if !data.frameSize.isMultiple(of: model.patchSize) {
            return "data.frameSize is \(data.frameSize), must be a multiple of model.patchSize "
                + "(\(model.patchSize))"
        }
        return nil
    }

    private var lossesBroken: String? {
        if objectives.maskedLanguageWeight == 0, objectives.alignmentWeight == 0,
            objectives.matchingWeight == 0
        {
            return "objectives.maskedLanguageWeight, objectives.alignmentWeight and "
                + "objectives.matchingWeight are all 0, so there is nothing to learn"
        }
        if objectives.distillation > 0 {
            if objectives.denominator == .negatives {
                return "objectives.distillation needs objectives.denominator: full, for its "
                    + "targets have the positive among the candidates"
            }
            if memoryBank.keys == .online {
                return "objectives.distillation needs memoryBank.keys: momentum; the query "
                    + "encoder cannot teach itself"
            }
            if !objectives.alignmentTerms.terms.contains(where: \.isCrossModal) {
                return "objectives.distillation needs a term of two views, such as text-video, "
                    + "in objectives.alignmentTerms"
            }
        } else if objectives.distillationRampSteps > 0 {
            return "objectives.distillationRampSteps is \(objectives.distillationRampSteps), but "
                + "objectives.distillation is 0"
        }
        return nil
    }

    private var temperatureBroken: String? {
        let (least, most) = (objectives.temperatureMin, objectives.temperatureMax)
        guard objectives.temperatureRule == .learned else { return nil }
        guard least <= objectives.temperature, objectives.temperature <= most else {
            return "objectives.temperature is \(objectives.temperature), must lie between "
                + "objectives.temperatureMin (\(least)) and objectives.temperatureMax (\(most))"
        }
        return nil
    }

    private var droppingBroken: String? {
        let (text, video) = (objectives.textDropProbability, objectives.videoDropProbability)
        switch objectives.modalityDropping {
        case .none where text > 0 || video > 0:
            return "objectives.textDropProbability and objectives.videoDropProbability need "
                + "objectives.modalityDropping: step or row"
        case .step where text == 0 && video == 0, .row where text == 0 && video == 0:
            return "objectives.modalityDropping is \(objectives.modalityDropping.rawValue), so "
                + "objectives.textDropProbability or objectives.videoDropProbability must be "
                + "above 0"
        default: break
        }
        guard text + video <= 1 else {
            return "objectives.textDropProbability (\(text)) and objectives.videoDropProbability "
                + "(\(video)) add up to more than 1; a query keeps a modality"
        }
        return nil
    }

    private var bankBroken: String? {
        guard objectives.alignmentWeight > 0 else { return nil }
        let known = objectives.alignmentTerms.keyViews
        if let odd = (memoryBank.views.views ?? []).first(where: { !known.contains($0) }) {
            return "memoryBank.views names \(odd), which no term of objectives.alignmentTerms "
                + "compares with; use \(known.map(\.description).joined(separator: ", "))"
        }
        if memoryBank.laterStep == 0, memoryBank.laterCapacity != 0 {
            return "memoryBank.laterCapacity is \(memoryBank.laterCapacity), but "
                + "memoryBank.laterStep is 0, which is never"
        }
        guard memoryBank.keys == .online else { return nil }
        if memoryBank.candidates == .gather {
            return "memoryBank.candidates: gather needs memoryBank.keys: momentum; with "
                + "memoryBank.encoderMomentum: 0 the keys are those of the query encoder"
        }
        if !objectives.alignmentTerms.localViews.isEmpty {
            return "objectives.alignmentTerms has text-tokens or video-frames, which need "
                + "memoryBank.keys: momentum"
        }
        return nil
    }

    private var matchingBroken: String? {
        guard objectives.matchingWeight > 0 else { return nil }
        if lanes.microbatchSize < 2 {
            return "objectives.matchingWeight needs lanes.microbatchSize of 2 or more, for the "
                + "other clip comes from the lane"
        }
        if lanes.recomputation == .layers {
            return "objectives.matchingWeight above 0 needs lanes.recomputation: none, for it runs "
                + "the layers once more on other pairs"
        }
        let views = objectives.alignmentTerms.queryViews
        if objectives.matchingNegatives == .hard,
            objectives.alignmentWeight == 0 || !views.contains(.text) || !views.contains(.video)
        {
            return "objectives.matchingNegatives: hard needs objectives.alignmentTerms with the "
                + "views text and video, and an objectives.alignmentWeight above 0"
        }
        return nil
    }
}
