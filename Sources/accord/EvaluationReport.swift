// SPDX-License-Identifier: Apache-2.0
import Evaluation
import Models
import Objectives
import Primitives
import Training

/// What `accord evaluate` finds, as `--json` prints it.
struct EvaluationReport: Encodable {
    struct Direction: Encodable {
        var recallAt1: Double
        var recallAt5: Double
        var recallAt10: Double
        var medianRank: Double

        init(recallAt1: Double, recallAt5: Double, recallAt10: Double, medianRank: Double = 0) {
            self.recallAt1 = recallAt1
            self.recallAt5 = recallAt5
            self.recallAt10 = recallAt10
            self.medianRank = medianRank
        }

        init(_ direction: RetrievalMetrics.Direction) {
            self.init(
                recallAt1: direction.recallAt1, recallAt5: direction.recallAt5,
                recallAt10: direction.recallAt10, medianRank: direction.medianRank)
        }
    }

    /// Two views of a clip that look for each other.
    struct Pair: Encodable {
        var first: String
        var second: String
        /// Clips that show both.
        var clips: Int
        var forth: Direction
        var back: Direction

        init(_ metrics: RetrievalMetrics, _ first: ClipView, _ second: ClipView) {
            self.first = "\(first)"
            self.second = "\(second)"
            clips = metrics.pairCount
            forth = Direction(metrics.textToVideo)
            back = Direction(metrics.videoToText)
        }
    }

    struct Bank: Encodable {
        var view: String
        var keys: Int
        var capacity: Int
        /// In steps; nil while it is empty.
        var meanAge: Double?
        var oldestAge: UInt64?
    }

    var step: UInt64
    /// Clips with both modalities: queries and candidates.
    var clips: Int
    /// Clips that lack their text.
    var textlessClips: Int
    var unreadableClips: Int
    var chanceRecallAt1: Double
    var textToVideo: Direction
    var videoToText: Direction
    /// With parts of a clip missing.
    var pairs: [Pair]
    var alignment: Double?
    var textUniformity: Double?
    var videoUniformity: Double?
    var banks: [Bank]

    /// Pairs besides text and video: one field of the text alone, and one modality looking for
    /// clips that have both.
    static func pairs(projectsJointly: Bool) -> [(ClipView, ClipView)] {
        let fields: [ClipView] = [.title, .ocr, .asr]
        return fields.map { ($0, .video) }
            + (projectsJointly ? [(.text, .videoText), (.video, .videoText)] : [])
    }

    init(_ evaluator: RetrievalEvaluator, _ replica: Replica, unreadableClips: Int) {
        let metrics = evaluator.metrics()
        step = replica.appliedStep.number
        clips = metrics.pairCount
        textlessClips = metrics.leftOutCount
        self.unreadableClips = unreadableClips
        chanceRecallAt1 = 1 / Double(max(1, metrics.pairCount))
        textToVideo = Direction(metrics.textToVideo)
        videoToText = Direction(metrics.videoToText)
        pairs = Self.pairs(projectsJointly: replica.model.heads.projectsJointly).map {
            Pair(evaluator.metrics($0, $1), $0, $1)
        }
        let geometry = evaluator.geometry()
        alignment = geometry?.alignment
        textUniformity = geometry?.textUniformity
        videoUniformity = geometry?.videoUniformity
        banks = replica.banks.views.compactMap { view in
            replica.banks[view].map { bank in
                let ages = bank.ages(at: replica.appliedStep)
                return Bank(
                    view: "\(view)", keys: bank.count, capacity: bank.capacity,
                    meanAge: ages?.mean, oldestAge: ages?.oldest)
            }
        }
    }
}

// MARK: - For people

extension EvaluationReport {
    var lines: [String] {
        var lines = ["step \(step), \(clips) held-out clips"]
        lines.append(Self.column("") + "  R@1     R@5     R@10    median rank")
        lines.append(Self.row("text to video", textToVideo))
        lines.append(Self.row("video to text", videoToText))
        for pair in pairs where pair.clips > 0 {
            lines.append(Self.row("\(pair.first) to \(pair.second)", pair.forth))
            lines.append(Self.row("\(pair.second) to \(pair.first)", pair.back))
        }
        lines.append(Self.column("chance") + Self.percent(chanceRecallAt1))
        if let alignment, let textUniformity, let videoUniformity {
            lines.append(
                "alignment \(Self.fixed(alignment)), uniformity of texts "
                    + "\(Self.fixed(textUniformity)), of videos \(Self.fixed(videoUniformity))")
        }
        for bank in banks {
            var line = "bank of \(bank.view): \(bank.keys) of \(bank.capacity) keys"
            if let mean = bank.meanAge, let oldest = bank.oldestAge {
                line += ", \(Self.fixed(mean)) steps old on average, \(oldest) at most"
            }
            lines.append(line)
        }
        if textlessClips > 0 {
            lines.append("\(textlessClips) clips lack text or frames and were left out")
        }
        if unreadableClips > 0 {
            lines.append("\(unreadableClips) clips could not be read and were left out")
        }
        return lines
    }

    /// One line per checkpoint.
    var shortLine: String { Self.shortLine(step: step, textToVideo, videoToText) }

    static func shortLine(step: UInt64, _ forth: Direction, _ back: Direction) -> String {
        padded("step \(step)", to: stepWidth) + shares(forth) + "   " + shares(back)
    }

    static var shortHeader: String {
        let recalls = "    R@1     R@5    R@10"
        return padded("", to: stepWidth) + padded("  text to video", to: recalls.count + 3)
            + "  video to text\n" + padded("", to: stepWidth) + recalls + "   " + recalls
    }

    private static let stepWidth = 14

    private static func row(_ name: String, _ direction: Direction) -> String {
        column(name) + shares(direction) + "  \(direction.medianRank)"
    }

    private static func shares(_ direction: Direction) -> String {
        [direction.recallAt1, direction.recallAt5, direction.recallAt10]
            .map { percent($0) }.joined(separator: " ")
    }

    private static func column(_ name: String) -> String { padded(name, to: 24) }

    private static func padded(_ text: String, to width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    static func percent(_ share: Double) -> String {
        let tenths = Int((share * 1000).rounded())
        let text = "\(tenths / 10).\(tenths % 10) %"
        return String(repeating: " ", count: max(0, 7 - text.count)) + text
    }

    private static func fixed(_ number: Double) -> String {
        let hundredths = Int((abs(number) * 100).rounded())
        let sign = number < 0 && hundredths > 0 ? "-" : ""
        let decimals = "\(hundredths % 100)"
        return sign + "\(hundredths / 100)." + (decimals.count < 2 ? "0" : "") + decimals
    }
}
