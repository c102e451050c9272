// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Values on their way to the thread that polls.
///
/// Its capacity is bounded by the protocol: one entry per lane, exchange or message in flight.
package final class Mailbox<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    package let wakeUp = WakeUp()

    package init() {}

    package func post(_ element: Element) {
        elements.withLock { $0.append(element) }
        wakeUp.signal()
    }

    package func drain() -> [Element] {
        elements.withLock { elements in
            let all = elements
            elements = []
            return all
        }
    }
}
