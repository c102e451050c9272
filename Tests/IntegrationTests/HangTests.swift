// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Testing

/// What a user sees of something that hangs.
@Suite(.serialized) struct HangTests {
    private let workplace: Workplace

    init() throws { workplace = try Workplace.shared.get() }

    /// Its path becomes a pipe into which nobody writes, as on a file system whose server is gone.
    @Test func aClipThatIsNeverReadIsNamedAndHoldsUpNoEnd() throws {
        let clips = try workplace.copyOfClips()
        let file = try workplace.writeConfiguration(
            replacing: [
                "directory": clips.folder.path, "count": "2", "microbatchSize": "1",
                "epochCount": "1000",
            ], named: "hanging.yaml")
        let run = workplace.newRun()
        let launch = try AccordProcess(
            [
                "launch", "--config", file.path, "--workers", "2", "--threads", "1", "--run",
                run.path,
            ], logsIn: workplace.directory)
        defer { launch.signal(SIGINT) }
        try LaunchTests.waitForStep(1, of: launch)
        for video in try clips.videos() {
            let pipe = video.path + ".pipe"
            #expect(mkfifo(pipe, 0o600) == 0)
            #expect(rename(pipe, video.path) == 0)
        }

        let reading = /step \d+ waits for worker .* and has been reading (.*\.mp4) for \d+ s/
        var path: String?
        let deadline = Date().addingTimeInterval(60)
        while path == nil, Date() < deadline {
            let why = try AccordProcess.run(
                ["why", "--run", run.path], logsIn: workplace.directory)
            path = why.output.firstMatch(of: reading).map { String($0.output.1) }
        }
        #expect(try clips.videos().map(\.path).contains(try #require(path)))

        launch.signal(SIGINT)
        let outcome = try launch.wait(seconds: 60)
        #expect(outcome.exitCode == ExitReason.interrupted.rawValue, "\(outcome.errors)")
    }
}
