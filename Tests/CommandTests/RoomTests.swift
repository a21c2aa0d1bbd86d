import Foundation
import Testing

/// What holds for the sources as a whole, so that it cannot drift.
@Suite struct RoomTests {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// Every Swift file below a folder, and its text.
  static func sources(_ folder: String = "Sources") throws -> [(path: String, text: String)] {
    let folder = root.appending(path: folder)
    let paths = try #require(FileManager.default.enumerator(atPath: folder.path)).compactMap { $0 as? String }
    return try paths.filter { $0.hasSuffix(".swift") }.map {
      ($0, try String(contentsOf: folder.appending(path: $0), encoding: .utf8))
    }
  }

  @Test func importsAreWhatThePackageSays() throws {
    let result = try Run.shell("scripts/imports --check", in: Self.root)
    #expect(result.status == 0 && result.stderr.isEmpty, "\(result.stderr)")
  }

  @Test func filesAreShort() throws {
    for (path, text) in try Self.sources() + Self.sources("Tests") {
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count - 1
      #expect(lines <= (path.hasPrefix("gx-") ? 200 : 400), "\(path) has \(lines) lines")
    }
  }

  /// One adapter speaks to oneDNN.
  @Test func oneFolderKnowsOneDNN() throws {
    for (path, text) in try Self.sources() where !path.hasPrefix("GXNet/OneDNN/") {
      #expect(!text.contains("import CDNNL") && !text.contains("dnnl_"), "\(path)")
    }
  }

  /// Names tell files apart, and rooms from files.
  @Test func noTwoFilesHaveOneName() throws {
    let names = try Self.sources().filter { $0.path.hasPrefix("GX") }.map { $0.path.split(separator: "/").last! }
    let doubled = Dictionary(grouping: names, by: \.self).filter { $1.count > 1 }.keys.sorted()
    #expect(doubled.isEmpty, "\(doubled)")
  }

  /// Whoever only reads rows or model files links no engine and no picture library.
  @Test(arguments: ["gx-calibrate", "gx-eval", "gx-plot", "gx-model", "gx-list", "gx-cat", "gx-shuffle"])
  func linksNoMoreThanItNeeds(_ command: String) throws {
    // With the libraries' own libraries.
    let linked = try Run.shell("ldd \(Run.binaries.path)/\(command)").text
    #expect(linked.contains("libc.so"), "ldd says nothing")
    var barred = ["libdnnl", "libgomp", "libturbojpeg", "libjpeg", "libwebp", "libtiff", "libsixel"]
    // Cairo, which draws gx-plot's charts, brings libpng along.
    if command != "gx-plot" { barred += ["libcairo", "libpng"] }
    for library in barred { #expect(!linked.contains(library), "\(library)") }
  }
}
