// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Primitives

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
    /// Whose connection it has come by; nil without encryption.
    var sender: PublicKey? {
        zmq_msg_gets(message, "User-Id").flatMap { PublicKey(String(cString: $0)) }
    }

    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: zmq_msg_data(message), count: zmq_msg_size(message))
    }
}

/// The frames of the next message of a socket; nil when there is none.
func receiveFrames(
    _ socket: UnsafeMutableRawPointer, _ endpoint: String
) throws(ZeroMQError) -> [ReceivedFrame]? {
    var frames: [ReceivedFrame] = []
    while true {
        let frame = ReceivedFrame()
        while zmq_msg_recv(frame.message, socket, ZMQ_DONTWAIT) < 0 {
            switch zmq_errno() {
            case EINTR: continue  // a signal is not a failure
            case EAGAIN: return nil
            default: throw ZeroMQError("receive from", endpoint)
            }
        }
        frames.append(frame)
        if zmq_msg_more(frame.message) == 0 { return frames }
    }
}
