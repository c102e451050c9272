// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import Hashing
import Primitives
import Testing

@Suite struct ClipCollectionTests {
    struct BadAnnotations: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let text: String
        /// What the message must name besides the path.
        let mentions: [String]

        init(_ name: String, _ text: String, mentions: [String]) {
            testDescription = name
            self.text = text
            self.mentions = mentions
        }
    }

    @Test func missingTextsAreEmptyAndTheOrderStays() throws {
        let dataset = try TemporaryDataset()
        try dataset.write(
            annotations: """
                [{"id": "00123456", "title": "红烧肉 👩‍🍳", "asr": null, "category_id": "1203",
                  "ocr": [{"time": 2, "text": "b"}, {"time": 1, "text": ""},
                          {"time": 0, "text": "a"}]},
                 {"id": "7"},
                 {"id": "123", "title": "", "asr": "x", "ocr": [null, {"time": 1}], "more": [1]}]
                """)
        for id in ["00123456", "7", "123"] { try dataset.writeVideo(id: id) }

        let clips = try ClipCollection(directory: dataset.directory, split: "train").clips

        #expect(
            clips == [
                Clip(
                    id: "00123456", title: "红烧肉 👩‍🍳", ocr: ["b", "a"], category: "1203",
                    path: dataset.directory + "/videos/456/00123456.mp4"),
                Clip(id: "7", path: dataset.directory + "/videos/7/7.mp4"),
                Clip(id: "123", asr: "x", path: dataset.directory + "/videos/123/123.mp4"),
            ])
    }

    @Test(arguments: [
        BadAnnotations("empty file", "", mentions: ["empty"]),
        BadAnnotations("empty list", "[]", mentions: ["empty"]),
        BadAnnotations("UTF-16", "[\u{0}{\u{0}}\u{0}]\u{0}", mentions: ["UTF-16", "UTF-8"]),
        BadAnnotations("no list", "{\"id\": \"1\"}", mentions: ["list"]),
        BadAnnotations(
            "syntax", "[{\"id\": \"1\"},\n {\"id\": \"2\",, }]",
            mentions: ["JSON", "line 2, column 13"]),
        BadAnnotations(
            "cut off", "[{\"id\": \"1\"}, {\"id\": ",
            mentions: ["JSON", "line 1, column 22", "ends"]),
        BadAnnotations(
            "no separator", "[{\"id\": \"1\"}\n\n  {\"id\": 5}]",
            mentions: ["line 3, column 3", "a , is missing"]),
        BadAnnotations("a zero byte", "\u{0}", mentions: ["line 1, column 1"]),
        BadAnnotations("open text", "[{\"id\": \"1", mentions: ["line 1, column 11", "text"]),
        BadAnnotations(
            "more after the end", "[{\"id\": \"1\"}] x", mentions: ["line 1, column 15"]),
        BadAnnotations("a word", "[yes]", mentions: ["line 1, column 2", "\"yes\""]),
        BadAnnotations(
            "no id", "[{\"id\": \"1\"}, {\"title\": \"x\"}]", mentions: ["[1]", "id"]),
        BadAnnotations(
            "id is a number", "[{\"id\": 12345678901234567890}]", mentions: ["[0].id", "text"]),
        BadAnnotations("empty id", "[{\"id\": \"\"}]", mentions: ["entry 0", "id"]),
        BadAnnotations(
            "id leads out", "[{\"id\": \"../../x\"}]", mentions: ["entry 0", "../../x"]),
        BadAnnotations(
            "leading dot with a combining mark", "[{\"id\": \".\\u0301x\"}]",
            mentions: ["entry 0", "leading dot"]),
        BadAnnotations(
            "duplicate", "[{\"id\": \"8\"}, {\"id\": \"9\"}, {\"id\": \"8\"}]",
            mentions: ["entry 2", "\"8\"", "entry 0"]),
        BadAnnotations(
            "title is a list", "[{\"id\": \"1\", \"title\": []}]", mentions: ["[0].title", "text"]),
        BadAnnotations(
            "OCR text is a number", "[{\"id\": \"1\", \"ocr\": [{\"text\": 5}]}]",
            mentions: ["[0].ocr[0].text", "text"]),
        BadAnnotations(
            "OCR is a text", "[{\"id\": \"1\", \"ocr\": \"x\"}]", mentions: ["[0].ocr", "list"]),
    ])
    func badAnnotationsAreRefusedWithPathPlaceAndRule(_ bad: BadAnnotations) throws {
        let dataset = try TemporaryDataset()
        try dataset.write(annotations: bad.text)

        let failure = #expect(throws: ExitFailure.self) {
            try ClipCollection(directory: dataset.directory, split: "train")
        }

        #expect(failure?.reason == .dataInvalid)
        for mention in ["\(dataset.directory)/annotations/train.json"] + bad.mentions {
            #expect(failure?.message.contains(mention) == true, "\(failure?.message ?? "none")")
        }
    }

    @Test func annotationsThatCannotBeReadSayWhyInTheSystemsWords() throws {
        let dataset = try TemporaryDataset()
        try FileManager.default.createDirectory(
            atPath: "\(dataset.directory)/annotations/train.json",
            withIntermediateDirectories: true)

        let failure = #expect(throws: ExitFailure.self) {
            try ClipCollection(directory: dataset.directory, split: "train")
        }

        #expect(failure?.message.hasSuffix("cannot be read (Is a directory)") == true)
    }

    @Test func annotationsWithoutVideosNameTheFirstAndTheirNumber() throws {
        let dataset = try TemporaryDataset()
        try dataset.write(annotations: ["1001", "1002", "1003"].map { ["id": $0] })
        try dataset.writeVideo(id: "1001")

        let failure = #expect(throws: ExitFailure.self) {
            try ClipCollection(directory: dataset.directory, split: "train")
        }

        #expect(failure?.reason == .dataInvalid)
        for mention in ["2 of 3", "\"1002\"", "\(dataset.directory)/videos/002/1002.mp4"] {
            #expect(failure?.message.contains(mention) == true, "\(failure?.message ?? "none")")
        }
    }

    @Test func anUnknownSplitListsThoseThatAreThere() throws {
        let dataset = try TemporaryDataset()
        try dataset.write(annotations: "[]", split: "unlabeled")
        try dataset.write(annotations: "[]", split: "labeled")

        let failure = #expect(throws: ExitFailure.self) {
            try ClipCollection(directory: dataset.directory, split: "../annotations/labeled")
        }

        #expect(failure?.reason == .dataInvalid)
        #expect(failure?.message.contains("labeled, unlabeled") == true)
    }

    @Test(arguments: ["", "/annotations/no.json"])
    func aMissingDirectoryIsNamed(_ suffix: String) throws {
        let directory = "/nonexistent/data\(suffix)"

        let failure = #expect(throws: ExitFailure.self) {
            try ClipCollection(directory: directory, split: "train")
        }

        #expect(failure?.reason == .dataInvalid)
        #expect(failure?.message.contains(directory) == true)
    }

    @Test func theFingerprintIsTheOneOfTheReferenceImplementation() throws {
        struct Golden: Decodable {
            let videoBytes: [Int]
            let fingerprint: String
        }
        let data = try fixture("clip_fingerprint.json")
        let golden = try JSONDecoder().decode(Golden.self, from: data)
        let object = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        let annotations = try #require(object["annotations"] as? [[String: Any]])
        let dataset = try TemporaryDataset()
        try dataset.write(annotations: annotations)
        for (annotation, byteCount) in zip(annotations, golden.videoBytes) {
            let id = try #require(annotation["id"] as? String)
            try dataset.writeVideo(id: id, bytes: [UInt8](repeating: 1, count: byteCount))
        }

        let collection = try ClipCollection(directory: dataset.directory, split: "train")

        #expect(Digest(collection.fingerprint)?.description == golden.fingerprint)
    }

    @Test func clipsBeyondTheFirstThousandKeepTheirPlaces() throws {
        let dataset = try TemporaryDataset()
        let count = 3000
        let entries = (0..<count).map { "{\"id\":\"\(500_000 + $0 * 7)\",\"title\":\"短视频\"}" }
        try dataset.write(annotations: "[" + entries.joined(separator: ",\n") + "]")
        for index in 0..<count { try dataset.writeVideo(id: "\(500_000 + index * 7)") }

        let collection = try ClipCollection(directory: dataset.directory, split: "train")

        #expect(collection.clips.map(\.id) == (0..<count).map { "\(500_000 + $0 * 7)" })
    }
}
