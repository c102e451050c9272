// SPDX-License-Identifier: Apache-2.0

/// Which views of a clip are pulled together, and how much each pair counts.
///
/// As text: a preset, or terms separated by commas, each with a weight behind a *, else 1:
/// `text-video, video-videoText*0.5`. A term of two views has two directions; `text-text` contrasts
/// a view with the key encoder's vectors of the same view; `text-tokens` and `video-frames`
/// contrast a view with the vectors of its own tokens or frames.
package struct AlignmentPlan: Equatable, Sendable, CustomStringConvertible {
    package struct Term: Equatable, Sendable {
        package let query: ClipView
        package let keys: KeySource
        package let weight: Float

        package var name: String { "\(query)-\(keys)" }

        /// Whether there is a second direction, back.
        package var isCrossModal: Bool { keys != .view(query) && !keys.isLocal }
    }

    /// What a query is compared with.
    package enum KeySource: Hashable, Sendable, CustomStringConvertible {
        /// One vector per clip.
        case view(ClipView)
        /// One vector per token or frame of the view.
        case parts(ClipView)

        package var view: ClipView {
            switch self {
            case .view(let view), .parts(let view): view
            }
        }

        package var isLocal: Bool { self == .parts(view) }

        package var description: String {
            switch self {
            case .view(let view): "\(view)"
            case .parts(let view): view.showsVideo ? "frames" : "tokens"
            }
        }
    }

    /// One direction of a term.
    package struct Direction: Equatable, Sendable {
        package let query: ClipView
        package let keys: KeySource
        /// Of the whole alignment loss; the directions' shares add up to 1.
        package let share: Float
        /// Which term it belongs to.
        package let term: Int
    }

    package let terms: [Term]
    /// In the order of the terms.
    package let directions: [Direction]

    /// - Precondition: there is a term, and weights are positive.
    init(_ terms: [Term]) {
        self.terms = terms
        let whole = terms.reduce(0) { $0 + $1.weight }
        directions = terms.enumerated().flatMap { index, term in
            let share = term.weight / whole
            guard term.isCrossModal else {
                return [
                    Direction(query: term.query, keys: term.keys, share: share, term: index)
                ]
            }
            return [
                Direction(query: term.query, keys: term.keys, share: share / 2, term: index),
                Direction(
                    query: term.keys.view, keys: .view(term.query), share: share / 2,
                    term: index),
            ]
        }
    }

    package static let textVideo = AlignmentPlan([
        Term(query: .text, keys: .view(.video), weight: 1)
    ])

    /// Views that are queries, in the order of their raw values.
    package var queryViews: [ClipView] { Set(directions.map(\.query)).sorted() }

    /// Views whose vectors are keys: those that may have a bank.
    package var keyViews: [ClipView] {
        Set(directions.filter { !$0.keys.isLocal }.map(\.keys.view)).sorted()
    }

    /// Views whose tokens' or frames' vectors are keys.
    package var localViews: [ClipView] {
        Set(directions.filter { $0.keys.isLocal }.map(\.keys.view)).sorted()
    }

    /// Views that the key encoder runs: keys, and teachers of queries.
    package var encodedViews: [ClipView] {
        Set(keyViews + localViews + queryViews).sorted()
    }
}

// MARK: - Text

extension AlignmentPlan {
    /// - Source: `six-task`: the MMA of the second-placed system of the 2022 short-video challenge,
    ///   as far as it is known. `tcl`: Yang et al. 2022, arXiv:2202.10401, eq. 9. `everything`:
    ///   Shvetsova et al. 2022, arXiv:2112.04446, section 3.3, with the title for the caption and
    ///   recognised text for the sound.
    package static let presets: [(name: String, text: String)] = [
        ("six-task", "text-video, video-videoText, text-videoText"),
        ("tcl", "text-video*2, text-text, video-video, text-tokens, video-frames"),
        (
            "everything",
            "title-video, title-ocr+asr*0.1, video-ocr+asr*0.1, title-ocr+asr+video*0.1, "
                + "video-text*0.1, ocr+asr-title+video*0.1"
        ),
    ]

    package static let rule =
        "list of terms such as text-video, video-videoText*0.5 or one of "
        + presets.map(\.name).joined(separator: ", ")

    /// Nil if the text is no plan: an unknown view, a term twice, a weight that is not positive.
    package init?(text: String) {
        let expanded = Self.presets.first { $0.name == text }?.text ?? text
        var terms: [Term] = []
        for part in expanded.split(separator: ",", omittingEmptySubsequences: false) {
            guard let term = Term(text: part.trimmingSpaces()) else { return nil }
            let isKnown = terms.contains {
                Set([$0.name, $0.reversedName]).contains(term.name)
            }
            guard !isKnown else { return nil }
            terms.append(term)
        }
        self.init(terms)
    }

    /// The terms, whether a preset named them or not: what is trained, not how it was called.
    package var description: String {
        terms.map { $0.weight == 1 ? $0.name : "\($0.name)*\($0.weight)" }
            .joined(separator: ", ")
    }
}

extension AlignmentPlan.Term {
    fileprivate init?(text: Substring) {
        let factors = text.split(separator: "*", omittingEmptySubsequences: false)
        let names = factors[0].split(separator: "-", omittingEmptySubsequences: false)
        guard names.count == 2, let query = ClipView(name: names[0]), factors.count <= 2 else {
            return nil
        }
        switch (names[1], query) {
        case ("tokens", .text), ("frames", .video): keys = .parts(query)
        default:
            guard let view = ClipView(name: names[1]) else { return nil }
            keys = .view(view)
        }
        self.query = query
        guard factors.count == 2 else {
            weight = 1
            return
        }
        guard let weight = Float(factors[1]), weight > 0, weight <= 1000 else { return nil }
        self.weight = weight
    }

    fileprivate var reversedName: String { keys.isLocal ? name : "\(keys)-\(query)" }
}

extension Substring {
    fileprivate func trimmingSpaces() -> Substring {
        let start = drop { $0 == " " }
        guard let last = start.lastIndex(where: { $0 != " " }) else { return "" }
        return start[...last]
    }
}
