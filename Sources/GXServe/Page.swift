import CPage

/// The web page's files, which lie in the program.
enum Page {
  static func files() -> [StaticFile] {
    UnsafeBufferPointer(start: gx_page_files(), count: gx_page_count).map { file in
      let name = String(cString: file.name)
      return StaticFile(
        path: "/" + name, type: String(cString: file.type),
        bytes: Array(UnsafeBufferPointer(start: file.bytes, count: file.size)),
        summary: name.isEmpty ? "The web page" : "The web page's \(name)")
    }
  }
}
