// SPDX-License-Identifier: Apache-2.0
import CSharedMemory

/// A number in memory that processes share; only one of them writes it.
package struct SharedWord {
    private let address: UnsafeRawPointer

    /// - Parameter address: 8-byte aligned.
    package init(_ address: UnsafeRawPointer) { self.address = address }

    /// Whatever its writer wrote before the number is seen from now on.
    package func load() -> UInt64 {
        accord_load_acquire(address.assumingMemoryBound(to: UInt64.self))
    }

    /// Shows the number, and all that was written before.
    package func store(_ number: UInt64) {
        accord_store_release(
            UnsafeMutableRawPointer(mutating: address).assumingMemoryBound(to: UInt64.self), number)
    }

    /// Between a store to one word and a load of another: if another process does the same the
    /// other way round, at least one of the two sees the other's store.
    package static func fence() { accord_full_fence() }

    /// For a loop that loads again and again.
    package static func pause() { accord_spin_pause() }
}
