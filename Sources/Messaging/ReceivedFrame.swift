// SPDX-License-Identifier: Apache-2.0
import CZeroMQ

/// A frame in the memory where libzmq has received it.
final class ReceivedFrame {
    let message: UnsafeMutablePointer<zmq_msg_t>

    init() {
        message = .allocate(capacity: 1)
        message.initialize(to: zmq_msg_t())
        zmq_msg_init(message)
    }

    deinit {
        zmq_msg_close(message)
        message.deallocate()
    }

    /// The descriptor of the connection over which it came; -1 if libzmq does not say.
    var connection: CInt { zmq_msg_get(message, ZMQ_SRCFD) }

    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: zmq_msg_data(message), count: zmq_msg_size(message))
    }
}
