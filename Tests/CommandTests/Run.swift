import Foundation

/// Runs the built binaries, alone or in real pipes, as a shell would.
enum Run {
  struct Result {
    let status: Int32
    let stdout: Data
    let stderr: String
    var text: String { String(decoding: stdout, as: UTF8.self) }
    var lines: [String] { text.split(separator: "\n").map(String.init) }
  }

  /// The folder of the binaries that were built with these tests.
  static let binaries: URL = {
    if let folder = ProcessInfo.processInfo.environment["GX_BIN"] { return URL(fileURLWithPath: folder) }
    return Bundle.main.bundleURL.deletingLastPathComponent().path.contains(".xctest")
      ? Bundle.main.bundleURL : URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
  }()

  /// Runs one command with `input` on stdin.
  static func gx(_ words: String..., input: Data = Data(), in folder: URL? = nil) throws -> Result {
    try shell(words.map(quoted).joined(separator: " "), input: input, in: folder)
  }

  /// Runs a bash line, without `pipefail` unless it asks for it, with the binaries on its PATH.
  static func shell(_ line: String, input: Data = Data(), in folder: URL? = nil) throws -> Result {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-c", line]
    if let folder { process.currentDirectoryURL = folder }
    var environment = ProcessInfo.processInfo.environment
    environment["PATH"] = binaries.path + ":" + (environment["PATH"] ?? "/usr/bin:/bin")
    process.environment = environment
    // Files, not pipes: nothing can block on us.
    let scratch = try Scratch()
    let (stdin, stdout, stderr) = (scratch / "stdin", scratch / "stdout", scratch / "stderr")
    try input.write(to: stdin)
    try Data().write(to: stdout)
    try Data().write(to: stderr)
    process.standardInput = try FileHandle(forReadingFrom: stdin)
    process.standardOutput = try FileHandle(forWritingTo: stdout)
    process.standardError = try FileHandle(forWritingTo: stderr)
    // Threads of the test runner block signals, and a child inherits that.
    var (none, before) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
    process.waitUntilExit()
    return Result(
      status: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus,
      stdout: try Data(contentsOf: stdout), stderr: String(decoding: try Data(contentsOf: stderr), as: UTF8.self))
  }

  static func quoted(_ word: String) -> String { "'" + word.replacing("'", with: "'\\''") + "'" }
}

/// A folder that goes when the test is over.
final class Scratch: Sendable {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("gx-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  static func / (scratch: Scratch, name: String) -> URL { scratch.url.appendingPathComponent(name) }
}
