// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Something that reads bytes of others: a message, a frame, a file.
struct FuzzedDecoder: Sendable, CustomStringConvertible {
    enum Outcome: Equatable { case refused, accepted }

    /// What was read does not hold what it must.
    struct BrokenProperty: Error, CustomStringConvertible {
        let description: String
    }

    let name: String
    /// Valid encodings, from which mutations begin.
    let seeds: @Sendable () throws -> [[UInt8]]
    /// A decoder with a state of its own, for one thread.
    ///
    /// It throws `BrokenProperty` if what it has accepted does not read back as it was, and every
    /// other error is a refusal.
    let make: @Sendable () -> ([UInt8]) throws -> Void

    var description: String { name }

    init(
        _ name: String, seeds: @escaping @Sendable () throws -> [[UInt8]],
        make: @escaping @Sendable () -> ([UInt8]) throws -> Void
    ) {
        self.name = name
        self.seeds = seeds
        self.make = make
    }

    /// Whatever decodes encodes to bytes that decode, and encode, to the same bytes.
    static func coding<Value>(
        _ name: String, seeds: @escaping @Sendable () throws -> [[UInt8]],
        decode: @escaping @Sendable ([UInt8]) throws -> Value,
        encode: @escaping @Sendable (Value) throws -> [UInt8]
    ) -> FuzzedDecoder {
        FuzzedDecoder(name, seeds: seeds) {
            { bytes in
                let value = try decode(bytes)
                try expect("\(name) reads back") {
                    let once = try encode(value)
                    return try encode(try decode(once)) == once
                }
            }
        }
    }

    static func expect(_ what: String, _ holds: () throws -> Bool) throws {
        do {
            guard try holds() else { throw BrokenProperty(description: what) }
        } catch let error as BrokenProperty {
            throw error
        } catch {
            throw BrokenProperty(description: "\(what): \(error)")
        }
    }

    static let all =
        messages + frames + files + [coordinator(), worker(), exchange(), snapshot()]

    static func named(_ name: String) -> FuzzedDecoder? { all.first { $0.name == name } }
}

/// One decoder with its state, told what to make of errors.
struct FuzzedRun {
    private let body: ([UInt8]) throws -> Void

    init(_ decoder: FuzzedDecoder) { body = decoder.make() }

    func feed(_ bytes: [UInt8]) throws -> FuzzedDecoder.Outcome {
        do {
            try body(bytes)
            return .accepted
        } catch let error as FuzzedDecoder.BrokenProperty {
            throw error
        } catch {
            return .refused
        }
    }
}
