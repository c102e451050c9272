// SPDX-License-Identifier: Apache-2.0
import NeuralNetworks
import Objectives
import Primitives
import Testing

@testable import Training

@Suite struct ConfigurationReadingTests {
    private static let least = "data:\n  directory: clips\n"

    private func read(_ text: String) throws -> RunConfiguration {
        try RunConfiguration(yaml: text, file: "run.yaml")
    }

    @Test func keysThatAreNotThereKeepTheirDefaults() throws {
        let configuration = try read(Self.least)

        var expected = RunConfiguration()
        expected.data.directory = "clips"
        #expect(configuration == expected)
    }

    @Test func everyKindOfValueIsRead() throws {
        let configuration = try read(
            """
            # A comment.
            seed: 5
            data: {directory: "a b: c", trainingSplit: labeled}
            lanes:
              count: 16
              resolutionBits: 18
            optimizer:
              learningRate: 5e-4
            objectives:
              alignmentWeight: 0
            """)

        #expect(configuration.seed == 5)
        #expect(configuration.data.directory == "a b: c")
        #expect(configuration.data.trainingSplit == "labeled")
        #expect(configuration.lanes.count == 16)
        #expect(configuration.lanes.resolutionBits == 18)
        #expect(configuration.optimizer.learningRate == 5e-4)
        #expect(configuration.objectives.alignmentWeight == 0)
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let text: String
        let message: String

        init(_ text: String, _ message: String) {
            self.text = text
            self.message = message
        }

        var testDescription: String { message }
    }

    static let refusals = [
        Refusal(
            least + "lanes:\n  cuont: 8\n",
            "run.yaml, line 4: unknown key lanes.cuont; did you mean lanes.count?"),
        Refusal(
            least + "optimiser:\n  learningRate: 1\n",
            "run.yaml, line 3: unknown key optimiser; did you mean optimizer?"),
        Refusal("sede: 1\n" + least, "run.yaml, line 1: unknown key sede; did you mean seed?"),
        Refusal(
            "lanes:\n  count: many\n",
            "run.yaml, line 2: lanes.count is many, must be a whole number 1...4096"),
        Refusal(
            "lanes:\n  count: 8.5\n",
            "run.yaml, line 2: lanes.count is 8.5, must be a whole number 1...4096"),
        Refusal(
            "lanes:\n\n  count: 0\n",
            "run.yaml, line 3: lanes.count is 0, must be a whole number 1...4096"),
        Refusal(
            "lanes:\n  count: 4097\n",
            "run.yaml, line 2: lanes.count is 4097, must be a whole number 1...4096"),
        Refusal(
            "lanes:\n  resolutionBits: 25\n",
            "run.yaml, line 2: lanes.resolutionBits is 25, must be a whole number 0...24"),
        Refusal(
            least + "lanes:\n  resolutionBits: 9\n",
            "run.yaml: lanes.resolutionBits is 9, must be 0 or 10...24 with lanes.count 8"),
        Refusal(
            least + "lanes:\n  resolutionBits: 21\n  count: 256\n",
            "run.yaml: lanes.resolutionBits is 21, must be 0 or 10...20 with lanes.count 256"),
        Refusal(
            "epochCount: 0\n",
            "run.yaml, line 1: epochCount is 0, must be a whole number 1...1000000"),
        Refusal(
            "memoryBank:\n  encoderMomentum: 1.01\n",
            "run.yaml, line 2: memoryBank.encoderMomentum is 1.01, must be a number 0.0...1.0"),
        Refusal(
            "objectives:\n  temperature: .nan\n",
            "run.yaml, line 2: objectives.temperature is .nan, must be a number 0.001...10.0"),
        Refusal("seed:\n", "run.yaml, line 1: seed is empty, must be a whole number from 0"),
        Refusal(
            "seed: [1]\n",
            "run.yaml, line 1: seed is not a single value, must be a whole number from 0"),
        Refusal("lanes: 8\n", "run.yaml, line 1: lanes needs indented keys below it"),
        Refusal(
            least + "model:\n  width: 130\n",
            "run.yaml: model.width is 130, must be a multiple of model.headCount (4)"),
        Refusal(
            least + "model:\n  patchSize: 24\n",
            "run.yaml: data.frameSize is 64, must be a multiple of model.patchSize (24)"),
        Refusal(
            least + "objectives:\n  maskedLanguageWeight: 0\n  alignmentWeight: 0\n",
            "run.yaml: objectives.maskedLanguageWeight, objectives.alignmentWeight and "
                + "objectives.matchingWeight are all 0, so there is nothing to learn"),
        Refusal(
            "seed: 1\n",
            "run.yaml: data.directory is missing; name the folder with annotations/ and videos/"),
        Refusal("", "run.yaml holds no keys; see docs/configuration.md"),
        Refusal("- seed\n", "run.yaml holds no keys; see docs/configuration.md"),
        Refusal("seed: 1\nseed: 2\n", "run.yaml, line 1: seed appears twice in one section"),
        Refusal(
            least + "data:\n  frameCount: 4\n",
            "run.yaml, line 1: data appears twice in one section"),
        Refusal(
            "lanes:\n  count: 8\n  count: 8\n",
            "run.yaml, line 2: count appears twice in one section"),
        Refusal(
            "seed: [1\n", "run.yaml, line 2: this is not YAML: did not find expected ',' or ']'"),
    ]

    @Test(arguments: refusals)
    func aMistakeIsNamedWithItsPlaceAndRule(_ refusal: Refusal) {
        let failure = #expect(throws: ExitFailure.self) { try read(refusal.text) }

        #expect(failure?.reason == .configurationInvalid)
        #expect(failure?.message == refusal.message)
    }

    @Test func aFileThatIsNotThereIsNamed() {
        let failure = #expect(throws: ExitFailure.self) {
            try RunConfiguration(contentsOf: "/nowhere/run.yaml")
        }

        #expect(failure?.reason == .configurationInvalid)
        #expect(
            failure?.message
                == "cannot read the configuration /nowhere/run.yaml; is the path right?")
    }

    @Test func theResolvedTextReadsBackToTheSameValueAndText() throws {
        var configuration = RunConfiguration()
        configuration.seed = 9
        configuration.data.directory = #"a "quoted" \ folder: #1"#
        configuration.optimizer.learningRate = 0.1 + 0.2
        configuration.optimizer.epsilon = 1e-12
        configuration.memoryBank.encoderMomentum = 0.999_999

        let text = configuration.resolvedYAML
        let read = try read(text)

        #expect(read == configuration)
        #expect(read.resolvedYAML == text)
    }

    /// Compared by scalars: two texts may be canonically equivalent and other files.
    @Test(arguments: [
        "several\nlines\n\n", "tab\tand\r\u{0}", "\"\u{0301} quoted \\\u{0301}", " at both ends ",
        "\u{85}\u{2028}\u{FEFF}\u{FFFF}", "节目 \u{1F600} Å \u{212B}", "a: [b] # c",
    ])
    func anyTextReadsBack(_ text: String) throws {
        var configuration = RunConfiguration()
        configuration.data.directory = "/clips"
        configuration.data.vocabulary = text

        let read = try read(configuration.resolvedYAML)

        #expect(Array(read.data.vocabulary.unicodeScalars) == Array(text.unicodeScalars))
    }

    @Test func theResolvedTextNamesEveryKeyOnce() throws {
        var configuration = RunConfiguration()
        configuration.data.directory = "clips"

        let lines = configuration.resolvedYAML.split(separator: "\n")

        #expect(lines.count { !$0.hasSuffix(":") } == ConfigurationField.all.count)
        #expect(
            lines.prefix(5) == [
                "seed: 2022", "epochCount: 10", "precision: f32", "data:",
                "  directory: \"clips\"",
            ])
    }

    /// A value that the fields forget would neither be written nor compared.
    @Test func everyStoredValueHasAField() throws {
        let leaves = Self.leafCount(RunConfiguration())

        #expect(leaves == ConfigurationField.all.count)
        #expect(Set(ConfigurationField.all.map(\.name)).count == leaves)
    }

    private static func leafCount(_ value: Any) -> Int {
        if value is AlignmentPlan || value is BankSelection { return 1 }
        let children = Mirror(reflecting: value).children
        return children.isEmpty ? 1 : children.reduce(0) { $0 + leafCount($1.value) }
    }

    @Test func differencesNameKeyAndBothValues() {
        var configuration = RunConfiguration()
        configuration.lanes.count = 16
        configuration.data.directory = "other"

        #expect(
            configuration.differences(from: RunConfiguration())
                == ["data.directory: \"\" -> \"other\"", "lanes.count: 8 -> 16"])
        #expect(configuration.differences(from: configuration).isEmpty)
        configuration.lanes.recomputation = .layers
        #expect(configuration.differences(from: RunConfiguration()).count == 2)
        configuration.lanes.resolutionBits = 18
        #expect(
            configuration.differences(from: RunConfiguration()).last
                == "lanes.resolutionBits: 0 -> 18")
    }
}
