// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Everything that is drawn for one synthetic clip: what it shows, what it says, how it is made.
struct ClipScript: Equatable, Sendable {
    /// Twenty decimal digits.
    let id: String
    /// Index into `LabelRule.categories`.
    let category: Int
    let scenes: [SceneAppearance]
    let topic: Int
    let subtopic: Int
    let width: Int
    let height: Int
    let framesPerSecond: Int
    let frameCount: Int
    let text: ClipText

    /// Several sizes and orientations, small so that decoding is quick.
    private static let sizes = [(192, 108), (108, 192), (128, 128), (160, 120), (120, 160)]

    /// A pure function of the seed and the number of the clip, whatever the size of the data set.
    init(seed: UInt64, index: Int) {
        var generator = SeededGenerator(seed: seed, purpose: .synthesis, [UInt64(index)])
        // 13 random digits, then the number, so that ids differ and the last three spread evenly.
        let prefix = 1_000_000_000_000 + generator.next(below: 8_999_999_999_999)
        let number = String(index)
        id = "\(prefix)" + String(repeating: "0", count: max(0, 7 - number.count)) + number
        category = LabelRule.drawCategory(&generator)
        let choices = LabelRule.evidence[category]
        let evidence = choices[generator.next(below: choices.count)]
        topic = evidence.topic
        subtopic = evidence.subtopic
        let group = LabelRule.categories[category].group
        let first = Self.scene(for: evidence, group: group, &generator)
        scenes =
            generator.nextBool(probability: 0.4)
            ? [first, Self.anyScene(&generator)] : [first]
        (width, height) = Self.sizes[generator.next(below: Self.sizes.count)]
        framesPerSecond = 10 + generator.next(below: 3)
        frameCount = framesPerSecond * (5 + generator.next(below: 11))
        text = ClipText(scenes: scenes, topic: topic, subtopic: subtopic, &generator)
    }

    private static func scene(
        for evidence: LabelRule.Evidence, group: Int, _ generator: inout SeededGenerator
    ) -> SceneAppearance {
        var scene = anyScene(&generator)
        scene.background = evidence.background
        switch LabelRule.decidingAttribute(ofGroup: group) {
        case .colour:
            scene.colour = .allCases[evidence.attribute]
        case .shape:
            scene.shape = .allCases[evidence.attribute]
        case .texture:
            scene.texture = .allCases[evidence.attribute]
        case .motion:
            scene.motion = .allCases[evidence.attribute]
        }
        if scene.colour == scene.background { scene.colour = next(scene.colour) }
        return scene
    }

    private static func anyScene(_ generator: inout SeededGenerator) -> SceneAppearance {
        let background = draw(SceneAppearance.Colour.allCases, &generator)
        let colour = draw(SceneAppearance.Colour.allCases, &generator)
        return SceneAppearance(
            background: background, colour: colour == background ? next(colour) : colour,
            shape: draw(SceneAppearance.Shape.allCases, &generator),
            texture: draw(SceneAppearance.Texture.allCases, &generator),
            motion: draw(SceneAppearance.Motion.allCases, &generator))
    }

    private static func next(_ colour: SceneAppearance.Colour) -> SceneAppearance.Colour {
        let all = SceneAppearance.Colour.allCases
        return all[(colour.rawValue + 1) % all.count]
    }

    static func draw<Element>(
        _ elements: [Element], _ generator: inout SeededGenerator
    ) -> Element {
        elements[generator.next(below: elements.count)]
    }
}
