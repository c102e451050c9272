// SPDX-License-Identifier: Apache-2.0
import Datasets
import Objectives
import Primitives

/// What the queries of a lane do without: modalities that leave the sequences of a row, and single
/// tokens and frames. Keys see everything.
///
/// Determinism: drawn from (seed, step) or (seed, step, lane), whoever computes the lane.
struct LaneDropping {
    private let settings: RunConfiguration.Objectives
    /// Of each row, what is left out: nothing, the text, or the video.
    private let dropped: [ClipView]
    private let separators: Set<Int32>

    /// - Parameter special: tokens that are never dropped.
    init(_ configuration: RunConfiguration, _ microbatch: Microbatch, special: Set<Int32>) {
        settings = configuration.objectives
        separators = special
        let step = microbatch.step.number
        let seed = UInt64(configuration.seed)
        switch settings.modalityDropping {
        case .none:
            dropped = microbatch.rows.map { _ in [] }
        case .step:
            var generator = SeededGenerator(seed: seed, purpose: .modalityDropping, [step])
            let drawn = Self.draw(configuration.objectives, &generator)
            dropped = microbatch.rows.map { _ in drawn }
        case .row:
            var generator = SeededGenerator(
                seed: seed, purpose: .modalityDropping, [step, UInt64(microbatch.lane)])
            dropped = microbatch.rows.map { _ in
                Self.draw(configuration.objectives, &generator)
            }
        }
    }

    private static func draw(
        _ settings: RunConfiguration.Objectives, _ generator: inout SeededGenerator
    ) -> ClipView {
        let number = generator.nextUnit()
        if number < settings.textDropProbability { return .text }
        return number < settings.textDropProbability + settings.videoDropProbability ? .video : []
    }

    /// What is left of a view of a row.
    ///
    /// A row that would have nothing left, because the other modality is missing, keeps all.
    func left(of view: ClipView, _ row: Int, _ rows: LaneRows) -> ClipView {
        let other: ClipView = dropped[row] == .text ? .video : .text
        guard !dropped[row].isEmpty, rows.shows(other, row) else { return view }
        return view.subtracting(dropped[row])
    }

    /// The generator of `thinned`.
    static func generator(
        _ configuration: RunConfiguration, _ microbatch: Microbatch
    ) -> SeededGenerator {
        SeededGenerator(
            seed: UInt64(configuration.seed), purpose: .queryDropping,
            [microbatch.step.number, UInt64(microbatch.lane)])
    }

    /// The text without some of its tokens; one that is not special stays if there was one.
    func thinned(_ text: [Int32], _ generator: inout SeededGenerator) -> [Int32] {
        let ordinary = text.indices.filter { !separators.contains(text[$0]) }
        let kept = Set(keep(ordinary, &generator))
        return text.indices.filter { separators.contains(text[$0]) || kept.contains($0) }
            .map { text[$0] }
    }

    /// Some frames of so many, at least one; nil for all.
    func thinned(frameCount: Int, _ generator: inout SeededGenerator) -> [Int]? {
        let kept = keep(Array(0..<frameCount), &generator)
        return kept.count == frameCount ? nil : kept
    }

    private func keep(_ places: [Int], _ generator: inout SeededGenerator) -> [Int] {
        guard settings.queryDropProbability > 0, !places.isEmpty else { return places }
        let kept = places.filter { _ in
            !generator.nextBool(probability: settings.queryDropProbability)
        }
        return kept.isEmpty ? [places[generator.next(below: places.count)]] : kept
    }
}
