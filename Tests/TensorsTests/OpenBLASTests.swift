// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import Tensors

@Suite struct OpenBLASTests {
    @Test func aLibraryThatIsNotThereIsTold() {
        let failure = #expect(throws: ExitFailure.self) {
            try OpenBLAS.load("libnowhere.so.0").get()
        }

        #expect(failure?.reason == .libraryMissing)
        for words in ["libnowhere.so.0", "apt-get install libopenblas0-pthread"] {
            #expect(failure?.message.contains(words) == true)
        }
    }

    /// Another library that is there.
    @Test func aLibraryWithoutTheFunctionsIsTold() {
        let failure = #expect(throws: ExitFailure.self) {
            try OpenBLAS.load("libc.so.6").get()
        }

        #expect(failure?.message.contains("cblas_sgemm") == true)
    }
}
