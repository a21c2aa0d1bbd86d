import CPage
import GXImage

/// The web page's files, which lie in the program.
enum Page {
  /// A file's bytes, with the formats of pictures where they are to stand.
  private static func named(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    let accepted = PictureCodec.all.flatMap(\.mediaTypes) + PictureCodec.suffixes.map { "." + $0 }
    let text = String(decoding: bytes, as: UTF8.self)
    return Array(
      text.replacing("{{accepted}}", with: accepted.joined(separator: ","))
        .replacing("{{formats}}", with: PictureCodec.names("or")).utf8)
  }

  static func files() -> [StaticFile] {
    UnsafeBufferPointer(start: gx_page_files(), count: gx_page_count).map { file in
      let name = String(cString: file.name)
      return StaticFile(
        path: "/" + name, type: String(cString: file.type),
        bytes: named(UnsafeBufferPointer(start: file.bytes, count: file.size)),
        summary: name.isEmpty ? "The web page" : "The web page's \(name)")
    }
  }
}
