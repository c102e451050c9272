// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Where something can be fetched, and whose key must be found there.
package struct PeerAddress: Hashable, Codable, Sendable {
    package var endpoint: String
    /// Nil in a cluster without keys, and for the coordinator, whose key every worker has.
    package var publicKey: String?

    package init(_ endpoint: String, publicKey: String? = nil) {
        self.endpoint = endpoint
        self.publicKey = publicKey
    }

    func write(to writer: inout ByteWriter) {
        writer.write(endpoint)
        writer.write(publicKey)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        endpoint = try reader.readString("endpoint")
        publicKey = try reader.readOptionalString("public key")
    }
}

// MARK: -

extension Member {
    package var address: PeerAddress { PeerAddress(dataEndpoint, publicKey: publicKey) }
}

extension ByteReader {
    mutating func readAddresses(_ field: String) throws(MalformedBytes) -> [PeerAddress] {
        try readEach(field, elementBytesMin: 5) {
            reader throws(MalformedBytes) in try PeerAddress(from: &reader)
        }
    }
}
