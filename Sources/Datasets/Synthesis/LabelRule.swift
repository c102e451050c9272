// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Which of the 200 categories a synthetic clip belongs to.
///
/// The label is a function of what the *first* scene shows and of what is only said:
///
/// ```
/// level 1 = (12 * background + topic) mod 23
/// level 2 = (stride * deciding attribute + subtopic) mod (size of the level-1 group)
/// ```
///
/// Seen: background is one of 8; the deciding attribute is the object's colour where the group has
/// 16 categories or more, else shape, texture or motion, by the group's number mod 3. Said: topic
/// is one of 12, subtopic one of 6; neither is ever shown. The stride is 5, or 7 in the group of 5.
///
/// So the background leaves 12 of the 23 groups open and the topic 8; inside a group every subtopic
/// and every value of the attribute leave several categories open. In a clip of two scenes their
/// order matters, because the first decides. The rule does not depend on the seed: labels mean the
/// same in all synthetic data sets.
enum LabelRule {
    /// Categories per level-1 group.
    ///
    /// - Source: category_id_map.py of the challenge.
    static let groupSizes = [
        9, 5, 9, 6, 6, 3, 3, 6, 6, 8, 4, 6, 6, 12, 4, 10, 11, 9, 7, 6, 16, 24, 24,
    ]
    static let categoryCount = 200
    static let topicCount = 12
    static let subtopicCount = 6

    /// Level 1 and the number within its group.
    struct Category: Hashable, Sendable {
        let group: Int
        let member: Int

        /// Two digits each, for example "1203".
        var code: String { LabelRule.digits(group) + LabelRule.digits(member) }
    }

    /// What of a clip decides its category.
    struct Evidence: Hashable, Sendable {
        let background: SceneAppearance.Colour
        let topic: Int
        /// Raw value of the deciding attribute.
        let attribute: Int
        let subtopic: Int
    }

    enum DecidingAttribute: Equatable, Sendable {
        case colour, shape, texture, motion

        var valueCount: Int {
            switch self {
            case .colour: SceneAppearance.Colour.allCases.count
            case .shape: SceneAppearance.Shape.allCases.count
            case .texture: SceneAppearance.Texture.allCases.count
            case .motion: SceneAppearance.Motion.allCases.count
            }
        }
    }

    /// Ascending by code, as in the challenge's list.
    static let categories: [Category] = groupSizes.enumerated().flatMap { group, size in
        (0..<size).map { Category(group: group, member: $0) }
    }

    static func decidingAttribute(ofGroup group: Int) -> DecidingAttribute {
        if groupSizes[group] >= 16 { return .colour }
        return [.shape, .texture, .motion][group % 3]
    }

    static func category(of scene: SceneAppearance, topic: Int, subtopic: Int) -> Category {
        let group = (topicCount * scene.background.rawValue + topic) % groupSizes.count
        let attribute =
            switch decidingAttribute(ofGroup: group) {
            case .colour: scene.colour.rawValue
            case .shape: scene.shape.rawValue
            case .texture: scene.texture.rawValue
            case .motion: scene.motion.rawValue
            }
        return Category(
            group: group, member: member(group: group, attribute: attribute, subtopic: subtopic))
    }

    /// For each of `categories`, all evidence that leads to it.
    static let evidence: [[Evidence]] = {
        var found: [Category: [Evidence]] = [:]
        for background in SceneAppearance.Colour.allCases {
            for topic in 0..<topicCount {
                let group = (topicCount * background.rawValue + topic) % groupSizes.count
                let deciding = decidingAttribute(ofGroup: group)
                for attribute in 0..<deciding.valueCount {
                    // An object of the background's colour could not be seen.
                    if deciding == .colour, attribute == background.rawValue { continue }
                    for subtopic in 0..<subtopicCount {
                        let category = Category(
                            group: group,
                            member: member(group: group, attribute: attribute, subtopic: subtopic))
                        found[category, default: []].append(
                            Evidence(
                                background: background, topic: topic, attribute: attribute,
                                subtopic: subtopic))
                    }
                }
            }
        }
        return categories.map { found[$0] ?? [] }
    }()

    /// Draws a category with the long tail of the challenge's data: the largest has about a tenth,
    /// the thirteen largest half, the smallest under a thousandth.
    static func drawCategory(_ generator: inout SeededGenerator) -> Int {
        let ticket = generator.next(below: cumulativeWeights[categoryCount - 1])
        return cumulativeWeights.firstIndex { ticket < $0 } ?? categoryCount - 1
    }

    /// In whole numbers, so that no rounding decides.
    static let cumulativeWeights: [Int] = {
        var sum = 0
        return (0..<categoryCount).map { index in
            // Scatters the ranks over the groups; 73 has no divisor in common with 200.
            let rank = (index * 73 + 29) % categoryCount
            sum += 1_000_000_000 / ((rank + 3) * (rank + 100))
            return sum
        }
    }()

    private static func member(group: Int, attribute: Int, subtopic: Int) -> Int {
        let size = groupSizes[group]
        return ((size == 5 ? 7 : 5) * attribute + subtopic) % size
    }

    private static func digits(_ number: Int) -> String {
        number < 10 ? "0\(number)" : "\(number)"
    }
}
