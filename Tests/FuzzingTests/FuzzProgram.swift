// SPDX-License-Identifier: Apache-2.0
#if ACCORD_LIBFUZZER
import Foundation

/// `make fuzz`: libFuzzer, whose `main` this program has, with one decoder, which DECODER names.
private enum FuzzProgram {
    // Sendable: libFuzzer calls this program on one thread.
    nonisolated(unsafe) static let run: FuzzedRun = {
        let name = ProcessInfo.processInfo.environment["DECODER"] ?? ""
        guard let decoder = FuzzedDecoder.named(name) else {
            preconditionFailure("DECODER is one of \(FuzzedDecoder.all.map(\.name))")
        }
        return FuzzedRun(decoder)
    }()
}

/// Before the first input: `--list` prints the names of the decoders.
@_cdecl("LLVMFuzzerInitialize")
func initializeFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>
) -> CInt {
    if CommandLine.arguments.dropFirst() == ["--list"] {
        let names = FuzzedDecoder.all.map { $0.name + "\n" }.joined()
        FileHandle.standardOutput.write(Data(names.utf8))
        exit(0)
    }
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do {
        _ = try FuzzProgram.run.feed(Array(UnsafeBufferPointer(start: bytes, count: count)))
    } catch {
        // A precondition says nothing in a release build.
        FileHandle.standardError.write(Data("\(error)\n".utf8))
        abort()
    }
    return 0
}
#endif
