// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import Synchronization
import Testing
import Threads

/// What becomes of a thread that the system does not give is in `MemoryLimitTests`.
@Suite struct NamedThreadTests {
    @Test func joiningWaitsForTheEndOfTheThread() {
        let (started, mayEnd) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let steps = Mutex<[String]>([])
        let thread = NamedThread("lane 3") {
            started.signal()
            mayEnd.wait()
            steps.withLock { $0.append("body of \(Self.systemsName())") }
        }
        started.wait()
        steps.withLock { $0.append("before") }
        mayEnd.signal()
        thread.join()
        steps.withLock { $0.append("after") }

        #expect(steps.withLock { $0 } == ["before", "body of lane 3", "after"])
    }

    /// What ps and top call the calling thread.
    private static func systemsName() -> String {
        let name = FileManager.default.contents(atPath: "/proc/thread-self/comm") ?? Data()
        return String(decoding: name, as: UTF8.self).trimmingCharacters(in: .newlines)
    }
}
