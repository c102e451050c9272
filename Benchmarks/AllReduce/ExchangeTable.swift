// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What is measured, in the order of the columns.
enum ExchangeColumn: String, CaseIterable {
    case accord
    case limit
    case gloo
    case openMPI = "Open MPI"
}

/// The lines of the table; times in milliseconds.
enum ExchangeTable {
    static var header: String {
        let times = ExchangeColumn.allCases.map(\.rawValue)
        let names = ["bytes"] + times + ["GB/s", "of limit", "gloo/accord", "MPI/accord"]
        return line(names)
    }

    /// - Parameter traffic: bytes that leave each rank, and reach it.
    static func row(
        bytes: Int, traffic: Double, seconds: [ExchangeColumn: Double]
    ) -> String {
        let times = ExchangeColumn.allCases.map { column in
            format(seconds[column].map { $0 * 1e3 })
        }
        let accord = seconds[.accord]
        func ratio(_ column: ExchangeColumn) -> Double? {
            guard let accord, let other = seconds[column] else { return nil }
            return other / accord
        }
        let share = ratio(.limit).map { format($0 * 100) + " %" } ?? "-"
        return line(
            ["\(bytes)"] + times + [
                format(accord.map { traffic / $0 / 1e9 }), share,
                format(ratio(.gloo)), format(ratio(.openMPI)),
            ])
    }

    /// With three digits that count or more.
    private static func format(_ number: Double?) -> String {
        guard let number else { return "-" }
        let digits = number < 0.01 ? 5 : number < 1 ? 3 : 2
        return String(format: "%.\(digits)f", number)
    }

    private static func line(_ cells: [String]) -> String {
        cells.map { String(repeating: " ", count: max(0, 12 - $0.count)) + $0 }.joined()
    }
}
