// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation
import Primitives
import Threads

/// Wakes a thread that waits in `poll`. Isolation: any thread signals, the owner drains.
// Sendable: a file descriptor, written and read by the kernel's atomic operations.
package final class WakeUp: @unchecked Sendable {
    let descriptor: CInt

    package init() {
        descriptor = accord_event_descriptor()
        guard descriptor >= 0 else { ExitFailure.lackOfDescriptors.endProcess() }
    }

    deinit { close(descriptor) }

    package func signal() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    func drain() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}

/// Waits until a socket has something to read, somebody wakes, or the time is over.
///
/// Isolation: the thread that owns the sockets.
/// - Parameter descriptors: others that may become readable; the caller reads them.
/// - Parameter watched: a socket whose connections may end; the caller takes those that have.
package func poll(
    _ sockets: [Socket], _ wakeUp: WakeUp, descriptors: [CInt] = [],
    connectionsOf watched: Socket? = nil, timeoutMilliseconds: Int
) {
    var items = sockets.map {
        zmq_pollitem_t(socket: $0.handle, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0)
    }
    items += ([wakeUp.descriptor] + descriptors).map {
        zmq_pollitem_t(socket: nil, fd: $0, events: Int16(ZMQ_POLLIN), revents: 0)
    }
    if let monitor = watched?.monitor {
        items.append(
            zmq_pollitem_t(
                socket: monitor.handle, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0))
    }
    _ = zmq_poll(&items, CInt(items.count), timeoutMilliseconds)
    wakeUp.drain()
}
