// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Testing

/// Against the C library, which is good to one unit in the last place.
@Suite struct PortableMathTests {
    @Test func logarithms() {
        for x in [1e-300, 1e-9, 0.07, 0.5, 0.999_999, 1, 1.000_001, 1.9, 2, 3, 700, 1e250] {
            #expect(abs(PortableMath.logarithm(x) - log(x)) <= 4e-16 * max(1, abs(log(x))))
        }
    }

    @Test func exponentials() {
        for step in -400...400 {
            let x = Double(step) * 0.173
            #expect(abs(PortableMath.exponential(x) / exp(x) - 1) <= 1e-15 * max(1, abs(x)))
        }
        #expect(PortableMath.exponential(0) == 1)
        #expect(PortableMath.exponential(1e9) == PortableMath.exponential(700))
        #expect(PortableMath.exponential(-1e9) == PortableMath.exponential(-700))
        #expect(PortableMath.exponential(.nan).isNaN)
    }
}
