// SPDX-License-Identifier: Apache-2.0
#if ACCORD_LIBFUZZER
import Foundation

/// `make fuzz`: libFuzzer with one decoder, which DECODER names.
@main
struct FuzzProgram {
    // Sendable: set before libFuzzer starts, used on its only thread.
    nonisolated(unsafe) static var run: FuzzedRun?

    static func main() throws {
        if CommandLine.arguments.dropFirst() == ["--list"] {
            let names = FuzzedDecoder.all.map { $0.name + "\n" }.joined()
            return FileHandle.standardOutput.write(Data(names.utf8))
        }
        let name = ProcessInfo.processInfo.environment["DECODER"] ?? ""
        guard let decoder = FuzzedDecoder.named(name) else {
            preconditionFailure("DECODER is one of \(FuzzedDecoder.all.map(\.name))")
        }
        run = FuzzedRun(decoder)
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? =
            CommandLine.unsafeArgv
        exit(runFuzzer(&count, &arguments) { FuzzProgram.feed($0, $1) })
    }

    private static func feed(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
        do {
            _ = try run?.feed(Array(UnsafeBufferPointer(start: bytes, count: count)))
        } catch {
            preconditionFailure("\(error)")
        }
        return 0
    }
}

/// Of LLVM's fuzzer/FuzzerInterface; pointers and sizes are passed alike in C and Swift.
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt
#endif
