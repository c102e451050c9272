// SPDX-License-Identifier: Apache-2.0
import Models
import Objectives
import Tensors
import Testing

@testable import Training

/// Losses and gradients of one lane against PyTorch in double precision: InfoNCE with banks, DCL,
/// momentum distillation, the terms of TCL, text fields, matching, a learnt temperature.
@Suite struct AlignmentTermsTests {
    /// Sums of some ten terms through four layers, divided by a temperature of 0.2: the worst seen
    /// is 4e-6.
    private static let tolerance = 2e-5

    private let fixture: AlignmentTermsFixture

    init() throws { fixture = try AlignmentTermsFixture.load() }

    private static let names = [
        "six-task", "six-task, negatives alone", "six-task, distillation", "tcl",
        "tcl, distillation", "everything", "matching, hard", "matching, random",
    ]

    private func example(_ name: String) throws -> AlignmentTermsFixture.Case {
        try #require(fixture.cases[name])
    }

    private func compute(
        _ example: AlignmentTermsFixture.Case,
        _ change: (inout RunConfiguration) -> Void = { _ in }
    ) throws -> (report: LaneReport, gradient: [Float], layout: ParameterLayout) {
        var configuration = try fixture.configuration(example)
        change(&configuration)
        let replica = fixture.replica(example, configuration)
        let (report, gradient) = replica.computation().gradient(of: fixture.microbatch)
        return (report, Array(gradient.elements), replica.model.layout)
    }

    @Test func everyCaseOfTheFixtureIsCompared() {
        #expect(fixture.cases.keys.sorted() == Self.names.sorted())
    }

    @Test(arguments: names)
    func theLossOfEachDirectionIsPyTorchs(_ name: String) throws {
        let example = try example(name)
        let report = try compute(example).report

        #expect(report.directions.count == example.directions.count)
        for (found, expected) in zip(report.directions, example.directions) {
            #expect(found.count == expected.count)
            #expect(abs(found.sum - expected.sum) <= Self.tolerance * expected.sum)
        }
        #expect(report.matching.count == example.matchingCount ?? 0)
        let matching = example.matchingLoss ?? 0
        #expect(abs(report.matching.sum - matching) <= Self.tolerance * matching)
    }

    @Test(arguments: names)
    func theGradientOfEachParameterIsPyTorchs(_ name: String) throws {
        let example = try example(name)

        #expect(try worstError(example, compute(example)) <= Self.tolerance)
    }

    /// One number of the configuration, changed by little, is noticed.
    @Test(arguments: names)
    func anotherTemperatureOrWeightIsNoticed(_ name: String) throws {
        let example = try example(name)

        let warmer = try compute(example) { $0.objectives.temperature *= 1.01 }
        #expect(try worstError(example, warmer) > 20 * Self.tolerance)
        let heavier = try compute(example) { $0.objectives.alignmentWeight *= 1.01 }
        #expect(try worstError(example, heavier) > 20 * Self.tolerance)
    }

    @Test(arguments: names.filter { $0.contains("distillation") })
    func anotherShareOfTheTeacherIsNoticed(_ name: String) throws {
        let example = try example(name)

        let changed = try compute(example) { $0.objectives.distillation = 0.41 }
        #expect(try worstError(example, changed) > 20 * Self.tolerance)
    }

    /// Over all parameters, relative to the largest element of each, or of the whole where a
    /// parameter has no gradient but rounding noise.
    private func worstError(
        _ example: AlignmentTermsFixture.Case,
        _ found: (report: LaneReport, gradient: [Float], layout: ParameterLayout)
    ) throws -> Double {
        let whole = example.gradient.values.joined().map(abs).max() ?? 0
        var worst = 0.0
        for entry in found.layout.entries {
            let expected =
                example.gradient[entry.name] ?? [Double](repeating: 0, count: entry.count)
            try #require(expected.count == entry.count, "\(entry.name)")
            let largest = max(expected.map(abs).max() ?? 0, 0.01 * whole)
            for (found, expected) in zip(found.gradient[entry.range], expected) {
                worst = max(worst, abs(Double(found) - expected) / largest)
            }
        }
        return worst
    }
}
