// SPDX-License-Identifier: Apache-2.0
import CSharedMemory
import Foundation
import Primitives

/// Wakes a process of the same machine, and hands it a segment.
///
/// A datagram socket under a name of the network namespace, which can be waited for together with
/// other descriptors. Only processes of the same user are listened to.
/// Isolation: the thread that owns it.
package final class Doorbell {
    package struct Ring {
        package let bytes: [UInt8]
        package let segment: Segment?
        /// A segment was handed over, but this process may have no more descriptors.
        package let lacksDescriptor: Bool
    }

    package enum RingOutcome: Equatable, Sendable {
        case rung
        /// Not now. If it has been rung often and not looked yet, it will wake in any case; a
        /// segment has to be sent again.
        case refused
        /// Nobody has this name.
        case gone
    }

    private static let bytesMax = 256

    package let descriptor: CInt

    package init(name: String) throws(SharedMemoryFailure) {
        descriptor = accord_doorbell_open(name)
        guard descriptor >= 0 else {
            throw SharedMemoryFailure(operation: "open the doorbell \(name)", code: -descriptor)
        }
    }

    deinit { close(descriptor) }

    /// - Parameter bytes: at most 256.
    package func ring(
        _ name: String, _ bytes: [UInt8] = [], handing segment: Segment? = nil
    ) -> RingOutcome {
        precondition(bytes.count <= Self.bytesMax, "\(bytes.count) bytes")
        let status = accord_doorbell_ring(
            descriptor, name, bytes, bytes.count, segment?.descriptor ?? -1)
        switch -status {
        case 0: return .rung
        case ECONNREFUSED, ENOENT: return .gone
        default: return .refused
        }
    }

    /// How many rings of strangers are dropped at a time.
    private static let strangersMax = 100

    /// The next one; nil when there is none. What strangers send is dropped; one who rings without
    /// an end keeps nobody here.
    package func take() -> Ring? {
        var bytes = [UInt8](repeating: 0, count: Self.bytesMax)
        var received: CInt = -1
        var isLost = false
        var user = uid_t.max
        for _ in 0..<Self.strangersMax {
            let count = accord_doorbell_take(
                descriptor, &bytes, bytes.count, &received, &isLost, &user)
            guard count >= 0 else { return nil }
            guard user == getuid() else {
                if received >= 0 { close(received) }
                continue
            }
            return Ring(
                bytes: Array(bytes.prefix(count)), segment: adopt(received),
                lacksDescriptor: isLost)
        }
        return nil
    }

    private func adopt(_ received: CInt) -> Segment? {
        guard received >= 0 else { return nil }
        do {
            return try Segment(adopting: received)
        } catch {
            // Whoever sent it is told by nothing that comes back.
            return nil
        }
    }
}
