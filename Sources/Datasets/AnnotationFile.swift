// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives

/// One object of an annotation file. Missing, null and empty texts mean the same.
///
/// Source: data_helper.py of the 2022 short-video classification challenge's baseline.
struct Annotation: Decodable, Sendable {
    /// One text that was recognised in a frame; its time is not used.
    private struct RecognisedText: Decodable {
        let text: String?
    }

    private enum CodingKeys: String, CodingKey {
        case id, title, asr, ocr
        case category = "category_id"
    }

    let id: String
    private let title: String?
    private let asr: String?
    private let ocr: [RecognisedText?]?
    private let category: String?

    func clip(in directory: String) -> Clip {
        Clip(
            id: id, title: title ?? "", asr: asr ?? "",
            ocr: (ocr ?? []).compactMap { $0?.text }.filter { !$0.isEmpty },
            category: category, path: Clip.videoPath(id: id, in: directory))
    }
}

/// Reads annotation files; every failure says which file, which entry and which rule.
enum AnnotationFile {
    /// A place in the list, for messages.
    struct Entry {
        let path: String
        /// Counted from 0.
        let index: Int

        func failure(_ rule: String) -> ExitFailure {
            ExitFailure(.dataInvalid, "\(path): entry \(index) (counted from 0): \(rule)")
        }

        /// An id becomes part of a path, so it must not lead out of the directory.
        func checkIdentity(_ id: String) throws(ExitFailure) {
            guard !id.isEmpty else { throw failure("the id is empty") }
            guard id.utf8.count <= 200, id.unicodeScalars.first != ".",
                !id.unicodeScalars.contains(where: { $0 == "/" || $0.value < 0x20 })
            else {
                throw failure(
                    "the id \(id.debugDescription) cannot name a file: it must have at most 200 "
                        + "bytes, no slash, no control character and no leading dot")
            }
        }
    }

    static func read(_ path: String) throws(ExitFailure) -> [Annotation] {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw ExitFailure(
                .dataInvalid,
                "\(path): the annotations cannot be read (\(FileWriting.words(for: error)))")
        }
        return try decode(data, path)
    }

    static func decode(_ data: Data, _ path: String) throws(ExitFailure) -> [Annotation] {
        let annotations: [Annotation]
        do {
            annotations = try JSONDecoder().decodeUntrusted([Annotation].self, from: data)
        } catch let error as DecodingError {
            throw ExitFailure(.dataInvalid, "\(path): \(explanation(of: error, data))")
        } catch {
            throw ExitFailure(.dataInvalid, "\(path): not valid JSON (\(error))")
        }
        guard !annotations.isEmpty else {
            throw ExitFailure(
                .dataInvalid, "\(path): the list of clips is empty; at least one is needed")
        }
        return annotations
    }

    private static func explanation(of error: DecodingError, _ data: Data) -> String {
        switch error {
        case .keyNotFound(let key, let context):
            return "\(place(context)): the key \"\(key.stringValue)\" is missing"
        case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
            if context.codingPath.isEmpty { return "the file must hold one JSON list of objects" }
            return "\(place(context)): must be \(name(of: type))"
        case .dataCorrupted(let context):
            return "not valid JSON: \(syntaxFault(context, data))"
        @unknown default:
            return "not valid annotations: \(error)"
        }
    }

    private static func place(_ context: DecodingError.Context) -> String {
        let keys = context.codingPath.map { key in
            key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)"
        }
        return "entry " + keys.joined() + " (counted from 0)"
    }

    private static func name(of type: any Any.Type) -> String {
        if type == String.self { return "a text" }
        return type is any Collection.Type || "\(type)".hasPrefix("Array")
            ? "a list" : "an object"
    }

    private static func syntaxFault(_ context: DecodingError.Context, _ data: Data) -> String {
        if data.isEmpty { return "the file is empty" }
        // JSON begins with an ASCII character: one of wider units has zeros beside it.
        let head = data.prefix(4)
        if head.contains(0), head.contains(where: { $0 != 0 }) {
            return "the file is UTF-16 or UTF-32; it must be UTF-8"
        }
        return JSONSyntaxFault(in: Array(data))?.description ?? context.debugDescription
    }
}
