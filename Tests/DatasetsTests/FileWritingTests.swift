// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Testing

@testable import Datasets

/// What cannot be written is said in one line: the path, the system's words, the next step.
@Suite struct FileWritingTests {
    private let dataset: TemporaryDataset
    /// It has a folder "annotations".
    private var folder: String { dataset.directory }

    init() throws { dataset = try TemporaryDataset() }

    private func refusal(_ body: () throws -> Void) throws -> String {
        let failure = try #require(throws: ExitFailure.self, performing: body)
        #expect(failure.reason == .storageFailed)
        return failure.message
    }

    @Test func aFileInPlaceOfAFolderIsNamed() throws {
        try FileWriting.replace("\(folder)/file", with: Data([1]))
        let path = "\(folder)/file/clips"
        let sentence = "\(path): Not a directory; something else has this name; choose another"

        #expect(try refusal { try FileWriting.makeFolder(path) } == sentence)
    }

    @Test func aFolderThatIsNotThereIsNamed() throws {
        let path = "\(folder)/none/file"
        let sentence = "\(path): No such file or directory; is the path right?"

        #expect(try refusal { try FileWriting.replace(path, with: Data()) } == sentence)
        #expect(try refusal { try FileWriting.publish(path, as: folder) } == sentence)
    }

    @Test(arguments: [EACCES, EROFS, ENOSPC, EIO])
    func aNextStepIsGiven(_ code: CInt) throws {
        let message = FileWriting.failure("/data", code).message

        #expect(message.hasPrefix("/data: "))
        #expect(message.contains("; name another folder") == [EACCES, EROFS].contains(code))
        #expect(message.contains("; make room") == (code == ENOSPC))
        #expect(message.contains("; look at the disk") == (code == EIO))
    }

    @Test func aFolderMayBeThereAndFilesAreReplaced() throws {
        let path = "\(folder)/a/b"
        for content in [[1, 2], [3]] as [[UInt8]] {
            try FileWriting.makeFolder(path)
            try FileWriting.replace("\(path)/file.partial", with: Data(content))
            try FileWriting.publish("\(path)/file.partial", as: "\(path)/file")

            #expect(try Data(contentsOf: URL(filePath: "\(path)/file")) == Data(content))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["file"])
    }
}
