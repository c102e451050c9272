// SPDX-License-Identifier: Apache-2.0
import Objectives
import Primitives

/// What one lane of a step brings: a gradient, and a report for everybody.
struct TinyLane {
    /// What a lane says besides its gradient.
    struct Report {
        /// The clips that were read, in order.
        var clips: [Int] = []
        var loss: Float = 0
        var keys: [MemoryBank.Entry] = []
    }

    /// [elements]
    let gradient: [Float]
    /// Encoded.
    let report: [UInt8]
}

extension TinyLane.Report {
    func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(each: clips) { $0.write(UInt32($1)) }
        writer.write(loss)
        writer.write(each: keys) { writer, entry in
            writer.write(UInt32(entry.clipIndex))
            for element in entry.key { writer.write(element) }
        }
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(MalformedBytes) {
        var reader = ByteReader(bytes)
        clips = try reader.readEach("clips", elementBytesMin: 4) {
            reader throws(MalformedBytes) in Int(try reader.read(UInt32.self, "clip"))
        }
        loss = try reader.readFloat("loss")
        keys = try reader.readEach("keys", elementBytesMin: 4 + 4 * TinyNetwork.width) {
            reader throws(MalformedBytes) in
            let clip = Int(try reader.read(UInt32.self, "clip"))
            var key: [Float] = []
            for _ in 0..<TinyNetwork.width { key.append(try reader.readFloat("key")) }
            return MemoryBank.Entry(clipIndex: clip, key: key)
        }
        try reader.expectEnd("lane report")
    }
}

/// What a step was like, the payload of its report: which clips it consumed, in lane order.
struct TinySummary: Equatable {
    var step: Step
    var isSkipped: Bool
    var clips: [Int]

    func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(step.number)
        writer.write(isSkipped)
        writer.write(each: clips) { $0.write(UInt32($1)) }
        return writer.bytes
    }

    init(step: Step, isSkipped: Bool, clips: [Int]) {
        self.step = step
        self.isSkipped = isSkipped
        self.clips = clips
    }

    init(decoding bytes: [UInt8]) throws(MalformedBytes) {
        var reader = ByteReader(bytes)
        step = Step(try reader.read(UInt64.self, "step"))
        isSkipped = try reader.readBool("skipped")
        clips = try reader.readEach("clips", elementBytesMin: 4) {
            reader throws(MalformedBytes) in Int(try reader.read(UInt32.self, "clip"))
        }
        try reader.expectEnd("summary")
    }
}
