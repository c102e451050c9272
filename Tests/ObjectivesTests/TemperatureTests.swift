// SPDX-License-Identifier: Apache-2.0
import Foundation
import Objectives
import Testing

@Suite struct TemperatureTests {
    private let temperature = Temperature(initial: 0.07, bounds: 0.001...0.5)

    @Test(arguments: [-3, -0.5, 0, 0.25, 1.9] as [Float])
    func theValueFollowsTheLogarithm(_ logarithm: Float) {
        let expected = 0.07 * exp(Double(logarithm))
        #expect(abs(Double(temperature.value(logarithm: logarithm)) - expected) <= 1e-7 * expected)
        #expect(temperature.clamped(logarithm: logarithm) == logarithm)
    }

    @Test func theBoundsHold() {
        #expect(temperature.value(logarithm: 0) == 0.07)
        #expect(temperature.value(logarithm: 9) == 0.5)
        #expect(temperature.value(logarithm: -9) == 0.001)
        #expect(temperature.value(logarithm: .nan).isNaN)
        #expect(abs(temperature.clamped(logarithm: 9) - log(0.5 / 0.07)) < 1e-6)
        #expect(abs(temperature.clamped(logarithm: -9) - log(0.001 / 0.07)) < 1e-6)
    }
}
