import CGnuTLS
import CSystem
import GXCore
import GXStream
import Glibc

/// What a key allows.
public enum Scope: String, CaseIterable, Sendable {
  /// Pictures may be classified and explained.
  case read
  /// The metrics may be looked at.
  case metrics
}

/// One key as it is stored: nothing of the key itself but its digest.
public struct APIKey: Sendable, Equatable {
  public let name: String
  public let scopes: Set<Scope>
  /// SHA-256 of the key's text. A key is 256 random bits, so it needs neither salt nor a slow hash.
  let digest: [UInt8]
  /// When it was made: ISO 8601, UTC.
  public let created: String

  /// A new key and its text, which is kept nowhere.
  /// - Throws: `GXError` where the name is none, or the system has no random numbers.
  public static func make(name: String, scopes: Set<Scope>) throws(GXError) -> (key: APIKey, text: String) {
    func isPlain(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
      case UInt8(ascii: "0")...UInt8(ascii: "9"): true
      default: ".-_@".utf8.contains(byte)
      }
    }
    guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(isPlain) else {
      throw GXError("key '\(name)': a name is 1 to 64 of A-Z a-z 0-9 . - _ @")
    }
    var random = [UInt8](repeating: 0, count: 32)
    guard gnutls_rnd(GNUTLS_RND_KEY, &random, random.count) == 0 else { throw GXError("no random numbers") }
    let text = "gx_" + hexText(random)
    return (APIKey(name: name, scopes: scopes, digest: sha256(text), created: timestamp()), text)
  }

  /// SHA-256 of the text's UTF-8.
  static func sha256(_ text: String) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    let bytes = Array(text.utf8)
    let status = gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, bytes.count, &digest)
    precondition(status == 0, "SHA-256 is always there")
    return digest
  }

  /// What may be told of it.
  public var shown: JSONObject {
    [
      "name": .string(name), "scopes": .array(Scope.allCases.filter(scopes.contains).map { .string($0.rawValue) }),
      "created": .string(created),
    ]
  }

  /// What is stored.
  var json: JSONObject {
    var row = shown
    row["sha256"] = .string(hexText(digest))
    return row
  }

  init(name: String, scopes: Set<Scope>, digest: [UInt8], created: String) {
    (self.name, self.scopes, self.digest, self.created) = (name, scopes, digest, created)
  }

  init(_ row: JSONObject) throws(GXError) {
    guard let name = row["name"]?.stringValue else { throw GXError("a key has no name") }
    guard let scopes = row["scopes"]?.arrayValue?.map({ $0.stringValue.flatMap(Scope.init(rawValue:)) }),
      scopes.allSatisfy({ $0 != nil })
    else {
      throw GXError("key '\(name)': scopes are no list of \(Scope.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    guard let digest = row["sha256"]?.stringValue.flatMap(bytes(ofHex:)), digest.count == 32 else {
      throw GXError("key '\(name)': sha256 is not 64 hex digits")
    }
    self.init(
      name: name, scopes: Set(scopes.compactMap { $0 }), digest: digest, created: row["created"]?.stringValue ?? "")
  }
}

/// The keys of a server: an NDJSON file that only its owner can read.
public struct KeyStore: Sendable {
  /// The most bytes of a key file that are read.
  private static let limit = 16 << 20

  public private(set) var keys: [APIKey]

  /// Where keys are kept when nobody says otherwise: `gx/keys.ndjson` in `$XDG_CONFIG_HOME` or `~/.config`.
  public static func defaultPath() throws(GXError) -> String {
    func variable(_ name: String) -> String? {
      getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
    if let folder = variable("XDG_CONFIG_HOME") { return folder + "/gx/keys.ndjson" }
    guard let home = variable("HOME") else {
      throw GXError("neither XDG_CONFIG_HOME nor HOME is set: give --keys FILE")
    }
    return home + "/.config/gx/keys.ndjson"
  }

  public init() { keys = [] }

  /// Reads the file; there are no keys where it is not there.
  /// - Throws: `GXError` that names the file and line.
  public init(path: String) throws(GXError) {
    keys = []
    guard access(path, F_OK) == 0 else { return }
    let text = try readFile(path, limit: Self.limit)
    for (i, line) in text.split(separator: UInt8(ascii: "\n")).enumerated() {
      do {
        let row = try JSON(parsing: String(decoding: line, as: UTF8.self))
        guard let object = row.objectValue else { throw GXError("no JSON object") }
        keys.append(try APIKey(object))
      } catch {
        throw (error as? GXError ?? GXError("\(error)")).at("\(path), line \(i + 1)")
      }
    }
  }

  /// The key with this text. Takes the same time whichever it is, and whether there is one.
  func find(_ text: String) -> APIKey? {
    let digest = APIKey.sha256(text)
    var found: Int?
    for (i, key) in keys.enumerated() where gnutls_memcmp(key.digest, digest, digest.count) == 0 { found = i }
    return found.map { keys[$0] }
  }

  /// Changes the file under a lock, so that of two at once none is lost. It appears whole or not at all, mode 0600.
  public static func change(path: String, _ body: (inout KeyStore) throws -> Void) throws {
    let slash = path.lastIndex(of: "/")
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    try makeFolder(folder)
    let lock = gx_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
    guard lock >= 0, flock(lock, LOCK_EX) == 0 else { throw GXError.system(folder) }
    defer { close(lock) }
    var store = try KeyStore(path: path)
    try body(&store)
    let file = try AtomicFile(path: path)
    guard fchmod(file.descriptor, 0o600) == 0 else { throw GXError.system(path) }
    let sink = ByteSink(descriptor: file.descriptor, name: path)
    for key in store.keys { try sink.write(JSON.object(key.json).bytes + [UInt8(ascii: "\n")]) }
    try sink.flush()
    try file.commit()
  }

  /// - Throws: `GXError` where the name is taken.
  public mutating func add(_ key: APIKey) throws(GXError) {
    guard !keys.contains(where: { $0.name == key.name }) else { throw GXError("key '\(key.name)' is there already") }
    keys.append(key)
  }

  /// - Throws: `GXError` where there is none.
  public mutating func remove(_ name: String) throws(GXError) {
    guard let place = keys.firstIndex(where: { $0.name == name }) else { throw GXError("there is no key '\(name)'") }
    keys.remove(at: place)
  }

  /// Makes a folder, readable by its owner alone, and those above it, where they are not there.
  private static func makeFolder(_ path: String) throws(GXError) {
    if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
      throw GXError.system(path)
    }
    try makeFolder(String(path[..<slash]))
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw GXError.system(path) }
  }
}

/// Bytes as lower-case hex digits.
func hexText(_ bytes: [UInt8]) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

private func bytes(ofHex text: String) -> [UInt8]? {
  let digits = text.map(\.hexDigitValue)
  guard digits.count % 2 == 0, digits.allSatisfy({ $0 != nil }) else { return nil }
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0]! << 4 | digits[$0 + 1]!) }
}

/// Now: ISO 8601, UTC, with microseconds.
func timestamp() -> String {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  var parts = tm()
  gmtime_r(&time.tv_sec, &parts)
  func pad(_ value: Int, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
  let date = "\(pad(Int(parts.tm_year) + 1900, 4))-\(pad(Int(parts.tm_mon) + 1, 2))-\(pad(Int(parts.tm_mday), 2))"
  let clock = "\(pad(Int(parts.tm_hour), 2)):\(pad(Int(parts.tm_min), 2)):\(pad(Int(parts.tm_sec), 2))"
  return "\(date)T\(clock).\(pad(time.tv_nsec / 1000, 6))Z"
}
