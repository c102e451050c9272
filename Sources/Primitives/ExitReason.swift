// SPDX-License-Identifier: Apache-2.0

/// Why a process ends. The codes are fixed and documented in docs/exit-codes.md.
package enum ExitReason: Int32, CaseIterable, Sendable {
    case success = 0
    /// `accord verify` or `accord simulate` found a broken promise.
    case checkFailed = 1
    /// Unknown flag or missing argument.
    case usage = 64
    /// A key or a value of the configuration breaks a rule.
    case configurationInvalid = 65
    /// A data set is missing, empty, or contradicts itself.
    case dataInvalid = 66
    /// The run directory belongs to another configuration, or is in use.
    case runDirectoryRefused = 67
    /// The coordinator did not answer within the stated time.
    case clusterUnreachable = 68
    /// The coordinator refused this worker; the message says why.
    case rejected = 69
    /// The coordinator declared this worker dead, and it has joined again by itself too often.
    case evicted = 70
    /// No checkpoint of the run could be read.
    case checkpointCorrupt = 71
    /// Another process listens on the address.
    case addressInUse = 72
    /// A file could not be written; usually the disk is full.
    case storageFailed = 73
    /// Two workers, or a worker and the ledger, disagree on a state hash.
    case diverged = 74
    /// A key is missing, damaged, or can be read by others.
    case keysInvalid = 76
    /// The system gives this process too little memory, or no thread.
    case memoryLacking = 77
    /// A library that is loaded on demand cannot be loaded: usually it is not installed.
    case libraryMissing = 78
    /// Interrupted by the user (SIGINT, SIGTERM, SIGHUP) after an orderly stop.
    case interrupted = 130
    /// A rule of our own was broken: please report it.
    case internalError = 75
}

/// An error that ends the process with a documented code and one clear message.
package struct ExitFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let reason: ExitReason
    /// Names the thing, the rule and the next step.
    package let message: String

    package init(_ reason: ExitReason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    package var description: String { message }
}
