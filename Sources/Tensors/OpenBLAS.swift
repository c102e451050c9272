// SPDX-License-Identifier: Apache-2.0
import COpenBLAS
import Primitives

/// Gets ready for products on `threadCount` threads at a time. Call once, before any of them and
/// while no other thread runs.
///
/// What OpenBLAS needs as scratch memory is taken here, where its lack can be told: later it would
/// ask the system for it without end.
/// - Source: https://github.com/OpenMathLib/OpenBLAS/issues/5289
package func prepareProducts(threadCount: Int) throws(ExitFailure) {
    guard MatrixBackend.own == .openBLAS else { return }
    let library = try OpenBLAS.loaded.get()
    var taken: [UnsafeMutableRawPointer] = []
    defer { for scratch in taken { library.memory_free(scratch) } }
    for _ in 0..<threadCount {
        guard accord_openblas_has_room(), let scratch = library.memory_alloc(0) else {
            throw OpenBLAS.lackOfMemory(threads: "\(taken.count) of \(threadCount)")
        }
        taken.append(scratch)
    }
}

/// The library that multiplies where oneDNN does not.
enum OpenBLAS {
    static let loaded: Result<AccordOpenBLAS, ExitFailure> = load("libopenblas.so.0")

    static var library: AccordOpenBLAS {
        switch loaded {
        case .success(let library): library
        case .failure(let failure): preconditionFailure(failure.message)
        }
    }

    /// - Parameter name: of the file, as the dynamic linker finds it.
    static func load(_ name: String) -> Result<AccordOpenBLAS, ExitFailure> {
        // The library itself takes less than one product.
        guard accord_openblas_has_room() else {
            return .failure(lackOfMemory(threads: "0"))
        }
        var library = AccordOpenBLAS()
        if let failure = accord_openblas_load(name, &library) {
            return .failure(
                ExitFailure(
                    .libraryMissing,
                    "OpenBLAS cannot be loaded: \(String(cString: failure)). Install it (Debian: "
                        + "apt-get install libopenblas0-pthread)"))
        }
        guard library.get_parallel() != accord_openblas_openmp else {
            return .failure(
                ExitFailure(
                    .libraryMissing,
                    "\(name) is OpenBLAS with OpenMP, which takes all cores for every lane. "
                        + "Install the one with threads (Debian: apt-get install "
                        + "libopenblas0-pthread)"))
        }
        // Each thread multiplies for itself.
        library.set_num_threads(1)
        return .success(library)
    }

    /// - Parameter threads: for how many there is room.
    fileprivate static func lackOfMemory(threads: String) -> ExitFailure {
        ExitFailure(
            .memoryLacking,
            "there is memory for products on \(threads) threads only. Raise the limit of this "
                + "process (ulimit -v, ulimit -d), or use fewer --threads: each takes "
                + "\(accord_openblas_scratch_bytes >> 20) MiB of addresses")
    }

    /// Its version, and the kernels that it has chosen for the processor.
    static var description: String {
        let core = library.get_corename().map { String(cString: $0) } ?? "unknown"
        let configuration = library.get_config().map { String(cString: $0) } ?? "unknown"
        let version = configuration.split(separator: " ").prefix(2).joined(separator: " ")
        return "\(version) \(core)"
    }
}
