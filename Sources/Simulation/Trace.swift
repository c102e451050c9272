// SPDX-License-Identifier: Apache-2.0

/// What happens in a simulated run, for people: one line per event.
struct Trace {
    /// Gets the lines as they come; nil = nobody reads, and no text is made.
    let reader: ((String) -> Void)?

    /// - Parameter time: in units of virtual time, a thousandth of a second each.
    func note(_ time: Int, _ who: String, _ what: @autoclosure () -> String) {
        guard let reader else { return }
        let thousandths = String(time % 1000)
        let padding = String(repeating: "0", count: 3 - thousandths.count)
        let seconds = "\(time / 1000).\(padding)\(thousandths)"
        reader(Self.right(seconds, 8) + "  " + Self.left(who, 12) + "  " + what())
    }

    private static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
