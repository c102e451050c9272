// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The title, the text in the picture and the spoken text of a synthetic clip.
///
/// They name most of what is seen, in synonyms, and the topic, which is not seen; with noise, and
/// with fields missing at fixed rates.
struct ClipText: Equatable, Sendable {
    var title = ""
    var ocr: [String] = []
    var speech = ""

    static let colourWords = [
        ["红色", "赤红"], ["绿色", "翠绿"], ["蓝色", "湛蓝"], ["青色", "天青"],
        ["紫色", "品红"], ["黄色", "金黄"], ["白色", "雪白"], ["黑色", "漆黑"],
    ]
    static let shapeWords = [
        ["圆形", "圆球"], ["方形", "方块"], ["三角", "三角形"], ["星形", "五角星"],
        ["十字", "十字架"], ["圆环", "环形"],
    ]
    static let textureWords = [["纯净"], ["条纹"], ["格子"], ["斑点"]]
    static let motionWords = [
        ["向左", "左移"], ["向右", "右移"], ["向上", "上升"], ["向下", "下降"],
    ]
    static let topicWords = [
        "美食", "旅行", "音乐", "体育", "科技", "教育", "宠物", "汽车", "时尚", "健康", "游戏",
        "新闻",
    ]
    static let subtopicWords = ["教程", "评测", "日常", "合集", "挑战", "访谈"]
    static let fillers = ["啊", "嗯", "大家好", "看看", "哈哈", "真的", "这个", "666", "vlog"]
    static let fixedWords = ["背景", "的", "在", "然后", "#"]

    /// Shares of clips without a title, without text in the picture, without speech, and with
    /// nothing about the picture in the title.
    private static let missing: (title: Float, ocr: Float, speech: Float, silent: Float) = (
        0.04, 0.2, 0.25, 0.06
    )

    init(
        scenes: [SceneAppearance], topic: Int, subtopic: Int,
        _ generator: inout SeededGenerator
    ) {
        let first = scenes[0]
        let subject = Self.topicWords[topic] + Self.subtopicWords[subtopic]
        let picture = Self.describe(first, &generator)
        let isSilent = generator.nextBool(probability: Self.missing.silent)
        title = isSilent ? subject : "\(picture)#\(subject)"
        let movement = Self.word(Self.motionWords[first.motion.rawValue], &generator)
        ocr = [Self.word(Self.textureWords[first.texture.rawValue], &generator) + movement]
        if scenes.count > 1 { ocr.append("然后" + Self.describe(scenes[1], &generator)) }
        speech =
            Self.word(Self.fillers, &generator) + Self.topicWords[topic] + "的"
            + Self.word(Self.fillers, &generator) + Self.subtopicWords[subtopic]
        if generator.nextBool(probability: Self.missing.title) { title = "" }
        if generator.nextBool(probability: Self.missing.ocr) { ocr = [] }
        if generator.nextBool(probability: Self.missing.speech) { speech = "" }
    }

    private static func describe(
        _ scene: SceneAppearance, _ generator: inout SeededGenerator
    ) -> String {
        word(colourWords[scene.colour.rawValue], &generator)
            + word(shapeWords[scene.shape.rawValue], &generator) + "在"
            + word(colourWords[scene.background.rawValue], &generator) + "背景"
    }

    private static func word(
        _ words: [String], _ generator: inout SeededGenerator
    ) -> String {
        ClipScript.draw(words, &generator)
    }

    /// One token per line: special tokens, then every character and its continuation.
    static var vocabulary: [String] {
        let groups = colourWords + shapeWords + textureWords + motionWords
        let words =
            groups.flatMap { $0 } + topicWords + subtopicWords + fillers + fixedWords
            + ["0123456789abcdefghijklmnopqrstuvwxyz"]
        let characters = Set(words.joined()).sorted()
        let continuations = characters.filter(\.isASCII).map { "##\($0)" }
        return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + characters.map(String.init)
            + continuations
    }
}
