// SPDX-License-Identifier: Apache-2.0
import Objectives
import Testing

@Suite struct AlignmentPlanTests {
    @Test func aTermOfTwoViewsHasTwoDirections() throws {
        let plan = try #require(AlignmentPlan(text: "text-video, video-video*2"))

        let queries: [ClipView] = [.text, .video, .video]
        #expect(plan.directions.map(\.query) == queries)
        let keys: [AlignmentPlan.KeySource] = [.view(.video), .view(.text), .view(.video)]
        #expect(plan.directions.map(\.keys) == keys)
        #expect(plan.directions.map(\.term) == [0, 0, 1])
        let shares: [Float] = [1 / 6, 1 / 6, 2 / 3]
        #expect(plan.directions.map(\.share) == shares)
        let views: [ClipView] = [.text, .video]
        #expect(plan.queryViews == views)
        #expect(plan.keyViews == views)
        #expect(plan.localViews.isEmpty)
    }

    @Test(arguments: AlignmentPlan.presets.map(\.name))
    func thePresetIsTheListThatItStandsFor(_ name: String) throws {
        let plan = try #require(AlignmentPlan(text: name))

        #expect(AlignmentPlan(text: plan.description) == plan)
        let shares = plan.directions.reduce(0) { $0 + $1.share }
        #expect(abs(shares - 1) < 1e-6)
    }

    @Test func thePresetsHaveTheirDirections() throws {
        let six = try #require(AlignmentPlan(text: "six-task"))
        let sixth: Float = 1 / 6
        #expect(six.directions.map(\.share) == [Float](repeating: sixth, count: 6))
        let views: [ClipView] = [.text, .video, .videoText]
        #expect(six.keyViews == views)
        let tcl = try #require(AlignmentPlan(text: "tcl"))
        // (i2t + t2i + i2i + t2t + local_i + local_t) / 6
        #expect(tcl.directions.map(\.share) == [Float](repeating: sixth, count: 6))
        #expect(tcl.localViews == Array(views.prefix(2)))
        #expect(tcl.keyViews == Array(views.prefix(2)))
        let everything = try #require(AlignmentPlan(text: "everything"))
        #expect(everything.terms.count == 6 && everything.directions.count == 12)
        #expect(everything.terms[0].weight == 1)
        #expect(everything.terms.dropFirst().allSatisfy { $0.weight == 0.1 })
    }

    @Test(arguments: [
        ("title+ocr+asr-video", "text-video"), ("video+text-video", "videoText-video"),
        ("asr+ocr-title+video*0.25", "ocr+asr-title+video*0.25"), ("text-tokens", "text-tokens"),
    ])
    func aViewHasOneName(_ given: String, _ canonical: String) {
        #expect(AlignmentPlan(text: given)?.description == canonical)
    }

    @Test(arguments: [
        "", "text", "text-", "text-sound", "text-video,", "text-video*0", "text-video*-1",
        "text-video*x", "text-video*1*2", "text-video, video-text", "text-video, text-video",
        "text+title-video", "text-frames", "video-tokens", "text-video-title", "text - video",
        "six-task, text-text", "text-video*2000", "Text-video",
    ])
    func whatIsNoPlanIsRefused(_ text: String) { #expect(AlignmentPlan(text: text) == nil) }
}
