// SPDX-License-Identifier: Apache-2.0
import Messaging
import Primitives

/// Answers transfer requests that come to a router.
struct TransferServer {
    /// Where the bytes come from; nil = not here.
    let bytes: (TransferResource) -> [UInt8]?

    /// - Parameter frames: identity of the asker, then the request.
    /// - Returns: false if the frames are not a request.
    func answer(_ frames: [[UInt8]], through socket: Socket) -> Bool {
        guard frames.count == 2 else { return false }
        do {
            let request = try TransferRequest(decoding: frames[1])
            let answer = request.answer(from: bytes(request.resource))
            // An asker that is gone is told nothing; it asks again if it lives.
            _ = try socket.send([frames[0], answer.header], answer.piece)
            return true
        } catch {
            return false
        }
    }
}
