// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime
import Datasets
import Evaluation
import Foundation
import Models
import Objectives
import Primitives
import Tensors
import Tokenization
import Training

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Retrieval by the newest checkpoint, or by all, also while training goes on.",
        discussion: """
            Ranks all clips of the split for each text, and all texts for each clip. R@k is the \
            share of queries whose own partner is among the first k; chance is 1 / clips at k = 1. \
            The same with one field of the text alone, and, where the run aligns views of text and \
            frames together, of clips that lack one of them. Alignment is the mean squared \
            distance of partners, uniformity the spread of a view (Wang and Isola 2020).
            """)

    @Option(name: .customLong("run"), help: "Run directory.")
    var runPath: String

    @Option(help: "Annotations to evaluate on (default: data.heldOutSplit of the run).")
    var split: String?

    @Flag(help: "JSON for programs; with --all or --follow a line per checkpoint.")
    var json = false

    @Flag(help: "Evaluate every checkpoint that is kept, the oldest first.")
    var all = false

    @Flag(help: "The same, and then each as it comes, until the coordinator ends.")
    var follow = false

    func validate() throws { try require(path: runPath, of: "--run") }

    func run() throws {
        try prepareProducts(threadCount: 1)
        if all || follow { return try evaluateAll() }
        let report = try evaluate(try RestoredRun(runPath), clips: nil).report
        if json { return try printJSON(report) }
        print(report.lines.joined(separator: "\n"))
    }

    /// The oldest first. One that is deleted meanwhile, because a newer one came, is left out.
    private func evaluateAll() throws {
        let directory = RunDirectory(runPath)
        try directory.requireExisting()
        if !json { print(EvaluationReport.shortHeader) }
        var clips: HeldOutClips?
        var newest: Step?
        while true {
            // Asked first, for the last checkpoint comes before the end.
            let goesOn = follow && directory.hasCoordinator
            for step in try RestoredRun.publishedSteps(directory)
            where newest.map({ step > $0 }) ?? true {
                newest = step
                guard let run = try RestoredRun(runPath, step: step) else { continue }
                let evaluated = try evaluate(run, clips: clips)
                clips = evaluated.clips
                try printLine(evaluated.report)
            }
            guard goesOn else { return }
            _ = poll(nil, 0, Self.millisecondsPerLook)
        }
    }

    private static let millisecondsPerLook: CInt = 500

    private func printLine(_ report: EvaluationReport) throws {
        if json { try printJSON(report, isOneLine: true) } else { print(report.shortLine) }
        // Whoever reads from a pipe waits for it.
        fflush(nil)
    }

    private func evaluate(
        _ run: RestoredRun, clips: HeldOutClips?
    ) throws -> (report: EvaluationReport, clips: HeldOutClips) {
        let (setup, replica) = (run.setup, run.replica)
        let clips = try clips ?? read(setup)
        let pairs = EvaluationReport.pairs(projectsJointly: replica.model.heads.projectsJointly)
        let views = Set(pairs.flatMap { [$0, $1] } + [.text, .video]).sorted()
        var evaluator = RetrievalEvaluator(
            ClipEncoder(
                model: replica.model, parameters: replica.laneParameters, microbatchSize: 32,
                views: .init(views, separator: setup.vocabulary.separator)))
        evaluator.add(clips.rows)
        let report = EvaluationReport(
            evaluator, replica, unreadableClips: clips.unreadable.count)
        try clips.requirePair(among: report.clips)
        return (report, clips)
    }

    private func read(_ setup: ModelSetup) throws -> HeldOutClips {
        let clips = try HeldOutClips(
            split: split ?? setup.configuration.data.heldOutSplit, setup)
        Terminal.complain(clips.complaints.map { $0 + "\n" }.joined())
        return clips
    }
}
