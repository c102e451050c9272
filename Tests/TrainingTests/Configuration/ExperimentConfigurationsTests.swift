// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Training

/// The files of configs/experiments.
@Suite struct ExperimentConfigurationsTests {
    private static let folder = URL(filePath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "configs/experiments/bank").path

    private static func configurations() throws -> [String: RunConfiguration] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        return try Dictionary(
            uniqueKeysWithValues: names.map {
                ($0, try RunConfiguration(contentsOf: "\(folder)/\($0)"))
            })
    }

    /// What a run gains can only come from its banks, keys and candidates.
    @Test func runsOfOneMicrobatchDifferInTheMemoryBankAlone() throws {
        let all = try Self.configurations()

        #expect(all.count >= 20)
        for size in [4, 16] {
            let own = all.filter { $0.value.lanes.microbatchSize == size }
            let base = try #require(own["microbatch-\(size < 10 ? "0" : "")\(size)-none.yaml"])
            #expect(base.memoryBank.capacity == 0 && own.count >= 10)
            for (name, configuration) in own {
                let differences = configuration.differences(from: base)
                #expect(differences.allSatisfy { $0.hasPrefix("memoryBank.") }, "\(name)")
            }
        }
    }
}
