// SPDX-License-Identifier: Apache-2.0
import CKernels
import Collectives
import Primitives
import Testing

@Suite struct ExactSumsTests {
    @Test func noSumOfClampedLanesOverflows() {
        for laneCount in 1...ExactSums.laneCountMax {
            let limit = Int(ExactSums(laneCount: laneCount).clampLimit)
            #expect(limit * laneCount <= Int(Int32.max))
        }
    }

    /// 3 bits of headroom from 16 lanes on, 4 at 8; r >= 20 up to 256 lanes.
    @Test(arguments: [(1, 24), (8, 24), (16, 24), (17, 23), (256, 20), (4096, 16)])
    func resolutionFollowsTheLaneCount(laneCount: Int, bits: Int) {
        #expect(ExactSums(laneCount: laneCount).resolutionBits == bits)
    }

    /// A given resolution leaves the limit of a lane alone and widens the headroom.
    @Test(arguments: [(8, 24, 4), (8, 18, 10), (8, 10, 18), (256, 20, 3), (1, 10, 21)])
    func aGivenResolutionDecidesQuantumAndHeadroom(laneCount: Int, bits: Int, headroom: Int) {
        let rule = ExactSums(laneCount: laneCount, resolutionBits: bits)

        #expect(rule.resolutionBits == bits)
        #expect(rule.clampLimit == ExactSums(laneCount: laneCount).clampLimit)
        for remembered in 60...200 as ClosedRange<UInt8> {
            #expect(rule.quantumExponent(remembered: remembered) == Int(remembered) - 126 - bits)
            #expect(rule.exponentLimit(remembered: remembered) == remembered + UInt8(headroom))
        }
        // Never clamped from above: docs/numerics.md, proof 5.
        #expect(rule.quantumExponent(remembered: 254) == 128 - bits)
    }

    @Test func aResolutionThatDoesNotFitIsRefused() async {
        await #expect(processExitsWith: .failure) {
            _ = ExactSums(laneCount: 256, resolutionBits: 21)
        }
        await #expect(processExitsWith: .failure) {
            _ = ExactSums(laneCount: 1, resolutionBits: 9)
        }
    }

    static let laneCounts = [1, 2, 3, 7, 8, 16, 100, 255, 256, 257, 512, 2048, 4096]

    private static func rules(_ laneCounts: [Int]) -> [ExactSums] {
        laneCounts.flatMap { lanes in
            (ExactSums.resolutionBitsMin...ExactSums.resolutionBitsMax(laneCount: lanes)).map {
                ExactSums(laneCount: lanes, resolutionBits: $0)
            }
        }
    }

    @Test(arguments: rules(laneCounts))
    func aValueWithinTheExponentLimitIsNeverClamped(rule: ExactSums) {
        for remembered in 0...254 as ClosedRange<UInt8> {
            let limit = rule.exponentLimit(remembered: remembered)
            guard limit > 0 else { continue }
            // The largest float with this exponent byte.
            let largest = Float(bitPattern: (UInt32(limit) << 23) | 0x7f_ffff)
            let scaled =
                Double(largest) * Double(rule.inverseQuantum(remembered: remembered))
            // docs/numerics.md: less than one unit above the limit, and only where V >= 256 is a
            // power of two; rounding to an integer then takes it to the limit.
            let isExact = rule.laneCount < 256 || rule.laneCount & (rule.laneCount - 1) != 0
            #expect(scaled <= Double(rule.clampLimit) + (isExact ? 0 : 1))
        }
    }

    @Test func infinityOrNaNSkipsTheStep() {
        let rule = ExactSums(laneCount: 8)

        let decision = rule.decide(scales: [120, 120], maxima: [255, 254], attempt: 1)

        #expect(decision == .skip)
    }

    @Test(arguments: rules([8, 256]))
    func anOutlierCausesOneSecondAttemptThatFits(rule: ExactSums) {
        for remembered in 0...250 as ClosedRange<UInt8> {
            for maximum in 0...254 as ClosedRange<UInt8> {
                switch rule.decide(scales: [remembered], maxima: [maximum], attempt: 1) {
                case .commit:
                    #expect(maximum <= rule.exponentLimit(remembered: remembered))
                case .secondAttempt(let scales):
                    #expect(rule.decide(scales: scales, maxima: [maximum], attempt: 2) == .commit)
                case let other:
                    Issue.record("\(remembered), \(maximum): \(other)")
                }
            }
        }
    }

    @Test func aMisfitInTheSecondAttemptNamesTheTensor() {
        let rule = ExactSums(laneCount: 8)

        let decision = rule.decide(scales: [120, 0], maxima: [120, 140], attempt: 2)

        #expect(decision == .impure(tensor: 1))
    }

    @Test func memoryRisesAtOnceAndFallsByHalf() {
        let rule = ExactSums(laneCount: 8)

        let remembered = rule.remembered(after: [100, 100, 100, 0], maxima: [110, 90, 0, 120])

        #expect(remembered == [110, 95, 100, 120])
    }

    @Test(arguments: [1, 2, 3, 7, 8, 16, 100, 256], [0, 18, 10])
    func theMeanOfAnyGroupingAndOrderEqualsTheOracle(laneCount: Int, bits: Int) {
        let rule = ExactSums(laneCount: laneCount, resolutionBits: bits == 0 ? nil : bits)
        var generator = SeededGenerator(seed: UInt64(laneCount), purpose: .testing)
        let elementCount = 67
        let remembered: UInt8 = 121
        let lanes = (0..<laneCount).map { _ in
            (0..<elementCount).map { _ in (generator.nextUnit() - 0.5) * 0x1p-4 }
        }
        let oracle = (0..<elementCount).map { element in
            lanes.reduce(Int64(0)) { sum, lane in
                let scaled = lane[element] * rule.inverseQuantum(remembered: remembered)
                return sum + Int64(scaled.rounded(.toNearestOrEven))
            }
        }
        // Proof 6 of docs/numerics.md: the mean is off by A 2^-r at most, A = 2^(121 - 127).
        let quantum = Double(1 / rule.inverseQuantum(remembered: remembered))
        for (element, sum) in oracle.enumerated() {
            let exact = lanes.reduce(0) { $0 + Double($1[element]) }
            let bound = Double(laneCount) * 0x1p-6 / Double(1 << rule.resolutionBits)
            #expect(abs(Double(sum) * quantum - exact) <= bound)
        }

        for _ in 0..<12 {
            var order = Array(0..<laneCount)
            generator.shuffle(&order)
            let workerCount = 1 + generator.next(below: laneCount)
            let total = IntVector(count: elementCount)
            for worker in 0..<workerCount {
                let own = order.indices.filter { $0 % workerCount == worker }.map { order[$0] }
                let partial = IntVector(count: elementCount)
                for lane in own {
                    _ = accord_quantise_add(
                        lanes[lane], partial.pointer, elementCount,
                        rule.inverseQuantum(remembered: remembered), rule.clampLimit)
                }
                accord_sum_int32(
                    total.pointer, [UnsafeRawPointer(total.pointer), .init(partial.pointer)], 2,
                    elementCount, false)
            }
            #expect(total.elements.map(Int64.init) == oracle)
        }
    }

    /// Counts around a vector, targets and sources at any address, the target among the sources.
    @Test(arguments: [false, true])
    func theKernelAddsAnyNumberOfSources(streams: Bool) {
        var generator = SeededGenerator(seed: 3, purpose: .testing)
        for count in [0, 1, 15, 16, 17, 100, 1000] {
            for sourceCount in 1...5 {
                let vectors = (0...sourceCount).map { _ in IntVector(count: count + 16) }
                for vector in vectors {
                    for index in 0..<vector.count {
                        vector.pointer[index] = Int32(truncatingIfNeeded: generator.next())
                    }
                }
                let (target, offset) = (vectors[0].pointer, generator.next(below: 16))
                let sources = vectors.indices.dropFirst().map { source in
                    source == 1
                        ? UnsafeRawPointer(target + offset)
                        : UnsafeRawPointer(vectors[source].pointer) + generator.next(below: 64)
                }
                let oracle = (0..<count).map { index in
                    sources.reduce(Int32(0)) {
                        $0 &+ $1.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self)
                    }
                }
                let behind = target[offset + count]

                accord_sum_int32(
                    target + offset, sources.map(Optional.some), sourceCount, count, streams)

                #expect((0..<count).map { vectors[0].pointer[offset + $0] } == oracle)
                #expect(vectors[0].pointer[offset + count] == behind)
                withExtendedLifetime(vectors) {}
            }
        }
    }

    @Test func theKernelClampsRoundsToEvenAndFindsTheExponent() {
        let gradient: [Float] = [0.5, 1.5, 2.5, -0.5, -1.5, 1e30, -1e30, -0.0, 1e-40]
        var sums = [Int32](repeating: 10, count: gradient.count)

        let exponent = accord_quantise_add(gradient, &sums, gradient.count, 1, 1000)

        #expect(sums == [10, 12, 12, 10, 8, 1010, -990, 10, 10])
        #expect(exponent == UInt8(Float(1e30).exponentBitPattern))
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func aValueThatIsNotFiniteShowsAs255(_ value: Float) {
        // 19 elements reach the vector part and the remainder of the loop.
        for position in 0..<19 {
            var gradient = [Float](repeating: 1, count: 19)
            gradient[position] = value
            var sums = [Int32](repeating: 0, count: 19)
            #expect(accord_quantise_add(gradient, &sums, 19, 1, 100) == 255)
        }
    }

    /// The check value of CRC-32C in the catalogue of parametrised CRC algorithms.
}
