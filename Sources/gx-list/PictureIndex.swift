import GXCore

/// Finds the picture that a row means: by path from the label file's folder or a folder that was given,
/// else by file name, with or without extension, if only one picture has it.
struct PictureIndex {
  private var byPath: [Name: Int] = [:]
  private var byName: [Name: [Int]] = [:]
  private let folders: [String]

  init(_ pictures: [Picture], folders: [String]) {
    self.folders = folders
    for (i, picture) in pictures.enumerated() {
      byPath[Name(picture.canonical)] = i
      let file = Files.lastPart(picture.relative)
      for name in Set([picture.relative, Key.id(path: picture.relative), file, Key.id(path: file)].map { Name($0) }) {
        byName[name, default: []].append(i)
      }
    }
  }

  /// The places of the pictures that `name` may mean: none, one, or too many.
  func places(of name: String) -> [Int] {
    for folder in folders { if let found = byPath[Name(Files.join(folder, name))] { return [found] } }
    return byName[Name(name)] ?? byName[Name(Files.lastPart(name))] ?? []
  }

  /// Whether `name` is that of a file which exists, though it was not asked for.
  func existsElsewhere(_ name: String) -> Bool {
    folders.contains { folder in
      ([""] + Files.extensions.map { "." + $0 }).contains { Files.exists(Files.join(folder, name) + $0) }
    }
  }
}
