// SPDX-License-Identifier: Apache-2.0
import CFFmpeg
import Foundation
import Primitives
import Testing

@testable import Media

/// A clip that cannot be decoded is left out by all workers, so what this process lacks must not
/// pass for a fault of the clip.
@Suite struct MediaFailureTests {
    private static func failure(_ code: CInt) throws -> MediaFailure {
        let failure = #expect(throws: MediaFailure.self) {
            try MediaFile(path: "a.mp4").check(code, "open")
        }
        return try #require(failure)
    }

    /// FFmpeg's codes of the system are its numbers with the sign turned.
    @Test(arguments: [EMFILE, ENFILE])
    func noDescriptorIsNoFaultOfTheClip(_ number: CInt) throws {
        let failure = try Self.failure(-number)

        #expect(failure.lack?.reason == .memoryLacking)
        for words in ["cannot open a.mp4", "ulimit -n", String(cString: strerror(number))] {
            #expect(failure.lack?.message.contains(words) == true)
        }
    }

    @Test(arguments: [-ENOENT, -EIO, accord_av_invalid_data, accord_av_end])
    func aFaultOfTheFileIsNoLack(_ code: CInt) throws {
        #expect(try Self.failure(code).lack == nil)
    }

    /// Here there is memory, so whoever got none has asked for more than any clip needs.
    @Test func aClipThatAsksForTooMuchIsBad() throws {
        #expect(try Self.failure(-ENOMEM).lack == nil)
    }
}
