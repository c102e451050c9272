// SPDX-License-Identifier: Apache-2.0
import Messaging
import Testing

@Suite struct KeyPairTests {
    @Test func everyPairIsAnother() {
        let pairs = (0..<20).map { _ in KeyPair.fresh() }
        #expect(Set(pairs.map(\.publicKey)).count == 20)
        #expect(Set(pairs.map(\.privateText)).count == 20)
    }

    /// The pair of ZeroMQ RFC 26's test vector for the Z85 of its client, as libzmq's manual
    /// (zmq_curve.adoc, "EXAMPLE") prints it.
    @Test func thePublicHalfFollowsFromThePrivateOne() throws {
        let pair = try #require(
            KeyPair(privateText: "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"))
        #expect(pair.publicKey.text == "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID")
    }

    @Test func aPairDoesNotShowItsPrivateHalf() {
        let pair = KeyPair.fresh()
        #expect(!"\(pair)".contains(pair.privateText))
    }

    @Test(arguments: [
        "", "short", String(repeating: "a", count: 39), String(repeating: "a", count: 41),
        String(repeating: "~", count: 40), String(repeating: " ", count: 40),
        // The largest group of five characters stands for more than 32 bits.
        String(repeating: "#", count: 40), String(repeating: "ä", count: 20),
    ])
    func whatIsNoKeyIsRefused(_ text: String) {
        #expect(PublicKey(text) == nil)
        #expect(KeyPair(privateText: text) == nil)
    }
}
