// SPDX-License-Identifier: Apache-2.0
import Models
import Objectives
import Primitives
import Testing

@testable import Training

/// Rules between keys of alignment, memory bank and matching.
@Suite struct ConfigurationRulesTests {
    private static let least = "data:\n  directory: clips\n"

    private func read(_ text: String) throws -> RunConfiguration {
        try RunConfiguration(yaml: Self.least + text, file: "run.yaml")
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let text: String
        /// What the message has in it: the key, and the next step.
        let parts: [String]

        init(_ text: String, _ parts: String...) {
            self.text = text
            self.parts = parts
        }

        var testDescription: String { text }
    }

    static let refusals = [
        Refusal(
            "objectives:\n  alignmentTerms: text-sound\n", "line 4",
            "objectives.alignmentTerms is text-sound, must be a list of terms", "six-task"),
        Refusal(
            "objectives:\n  denominator: none\n",
            "objectives.denominator is none, must be a word: full or negatives"),
        Refusal(
            "memoryBank:\n  views: text, sound\n", "memoryBank.views is text, sound",
            "all, or a list of views"),
        Refusal(
            "memoryBank:\n  views: videoText\n", "memoryBank.views names videoText",
            "use text, video"),
        Refusal(
            "memoryBank:\n  laterCapacity: 3\n", "memoryBank.laterCapacity is 3",
            "memoryBank.laterStep is 0, which is never"),
        Refusal(
            "memoryBank:\n  keys: online\n  candidates: gather\n",
            "memoryBank.candidates: gather needs memoryBank.keys: momentum",
            "memoryBank.encoderMomentum: 0"),
        Refusal(
            "objectives:\n  alignmentTerms: tcl\nmemoryBank:\n  keys: online\n",
            "text-tokens or video-frames, which need memoryBank.keys: momentum"),
        Refusal(
            "objectives:\n  distillation: 0.4\nmemoryBank:\n  keys: online\n",
            "objectives.distillation needs memoryBank.keys: momentum"),
        Refusal(
            "objectives:\n  distillation: 0.4\n  denominator: negatives\n",
            "objectives.distillation needs objectives.denominator: full"),
        Refusal(
            "objectives:\n  distillation: 0.4\n  alignmentTerms: text-text\n",
            "objectives.distillation needs a term of two views"),
        Refusal(
            "objectives:\n  distillationRampSteps: 4\n",
            "objectives.distillationRampSteps is 4, but objectives.distillation is 0"),
        Refusal(
            "objectives:\n  temperatureRule: learned\n  temperatureMin: 0.1\n",
            "objectives.temperature is 0.07, must lie between", "objectives.temperatureMin (0.1)"),
        Refusal(
            "objectives:\n  textDropProbability: 0.1\n",
            "need objectives.modalityDropping: step or row"),
        Refusal(
            "objectives:\n  modalityDropping: row\n", "objectives.modalityDropping is row",
            "must be above 0"),
        Refusal(
            "objectives:\n  modalityDropping: step\n  textDropProbability: 0.7\n"
                + "  videoDropProbability: 0.4\n", "add up to more than 1"),
        Refusal(
            "objectives:\n  matchingWeight: 1\nlanes:\n  microbatchSize: 1\n",
            "objectives.matchingWeight needs lanes.microbatchSize of 2 or more"),
        Refusal(
            "objectives:\n  matchingWeight: 1\nlanes:\n  recomputation: layers\n",
            "objectives.matchingWeight above 0 needs lanes.recomputation: none"),
        Refusal(
            "objectives:\n  matchingWeight: 1\n  alignmentWeight: 0\n",
            "objectives.matchingNegatives: hard needs objectives.alignmentTerms"),
    ]

    @Test(arguments: refusals)
    func whatContradictsItselfIsRefused(_ refusal: Refusal) {
        let failure = #expect(throws: ExitFailure.self) { try read(refusal.text) }

        #expect(failure?.reason == .configurationInvalid)
        for part in refusal.parts {
            #expect(failure?.message.contains(part) == true, "\(failure?.message ?? "")")
        }
    }

    @Test func whatFitsTogetherIsRead() throws {
        let configuration = try read(
            """
            objectives:
              alignmentTerms: six-task
              temperatureRule: learned
              distillation: 0.4
              distillationRampSteps: 100
              modalityDropping: row
              textDropProbability: 0.3
              matchingWeight: 1
              matchingNegatives: random
            memoryBank:
              views: videoText, text
              candidates: gather

            """)

        #expect(
            "\(configuration.objectives.alignmentTerms)"
                == "text-video, video-videoText, text-videoText")
        #expect(configuration.bankedViews == [.text, .videoText])
        #expect(configuration.heads.projectsJointly && configuration.heads.matches)
        #expect(configuration.heads.learnsTemperature && configuration.gathersKeys)
        let again = try RunConfiguration(yaml: configuration.resolvedYAML, file: "config.yaml")
        #expect(again == configuration)
    }

    @Test func theTeachersShareGrowsAndStays() throws {
        var objectives = RunConfiguration().objectives
        objectives.distillation = 0.4
        #expect(objectives.teacherShare(at: Step(1)) == 0.4)
        objectives.distillationRampSteps = 4
        let shares = (1...6).map { objectives.teacherShare(at: Step($0)) }
        #expect(shares == [0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    }

    /// Only what happens to the banks after a step that is still to come.
    @Test func onlyALaterSizeOfTheBanksMayChange() {
        var (old, new) = (RunConfiguration(), RunConfiguration())
        new.memoryBank.laterStep = 11
        new.memoryBank.laterCapacity = 64
        #expect(new.resizesBanks(of: old, after: Step(10)))
        #expect(!new.resizesBanks(of: old, after: Step(11)))
        old.memoryBank.laterStep = 7
        #expect(!new.resizesBanks(of: old, after: Step(10)))
        #expect(new.resizesBanks(of: old, after: Step(6)))
        new.memoryBank.capacity += 1
        #expect(!new.resizesBanks(of: old, after: Step(6)))
    }
}
