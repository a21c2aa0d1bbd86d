// gx-serve: classifies galaxy pictures over HTTP, for programs and for people.
//
// stdin: nothing. stdout: nothing ("keys add" prints the key, "keys list" a row for each). stderr: messages, and an
// access log as NDJSON.

import GXBox
import GXCommand
import GXCore
import GXInfer
import GXModel
import GXServe
import GXStream

let command = Command(
  "gx-serve", "classify galaxy pictures over HTTP",
  synopsis: "[-m MODEL]...\n   or: gx-serve keys add NAME [--scope A,B] | keys list | keys remove NAME",
  about: """
    Serves a web page and an API: POST /api/classify (a picture as a form's field "image", or as the body),
    /api/classify/batch (the files of a form, or a tar; one row for each), /api/explain (where the evidence lies), GET
    /api/info, /api/health, /metrics, and /api/openapi.json, which describes all of it. Classes have the names that the
    model gives them.

    Clients send a key: "Authorization: Bearer KEY". "keys add" makes one and prints it once; only its SHA-256 is kept.
    A key's scopes are read (the API) and metrics. On SIGHUP a running server reads the keys and the model anew.

    It listens on this machine alone unless --listen says otherwise. Then give --tls-cert and --tls-key, or put a proxy
    in front and name it with --trusted-proxy. On SIGTERM it answers all requests that are under way, and ends.
    """,
  options: [
    Option("model", "m", "MODEL", "a model that gx-train wrote [the one in the box]; of several, the mean counts"),
    Option(
      "tta", nil, "WHAT",
      "average over each picture's flips and quarter turns (dihedral) or N angles (rotations:N), or do not (none), "
        + "which is 8 or N times as fast [as the model says]"),
    Option("calibration", nil, "FILE", "use this calibration, or with 'none' not even the model's [the model's]"),
    Option(
      "listen", "l", "ADDR:PORT", "where to listen [127.0.0.1:5000]; port 0 takes a free one, and stderr tells which"),
    Option("public", nil, nil, "let everybody in, without a key"),
    Option("keys", nil, "FILE", "the keys [gx/keys.ndjson in $XDG_CONFIG_HOME or ~/.config]"),
    Option("scope", nil, "A,B", "what a new key allows: read, metrics [read]"),
    Option("rate-per-key", nil, "N", "requests a minute with one key; 0 is any number [1200]"),
    Option("rate-per-address", nil, "N", "requests a minute from one address; 0 is any number [1200]"),
    Option("trusted-proxy", nil, "ADDR[/BITS]", "believe this proxy's X-Forwarded-For"),
    Option("tls-cert", nil, "FILE", "serve HTTPS with this certificate and those that lead to it, in PEM"),
    Option("tls-key", nil, "FILE", "the certificate's key, in PEM"),
    Option("access-log", nil, "FILE", "write the access log to FILE, which SIGHUP opens anew [stderr]"),
    Option("max-body", nil, "MIB", "the largest picture file [16]"),
    Option("max-batch", nil, "MIB", "the largest batch [256]"),
    Option("max-memory", nil, "MIB", "what all uploads together may hold [256]"),
    Option("max-pixels", nil, "N", "the most pixels of a picture [25000000]"),
    Option("max-parts", nil, "N", "the most pictures of a batch [1000]"),
    Option("max-connections", nil, "N", "open connections in all [4096]"),
    Option("max-connections-per-address", nil, "N", "open connections of one address [128]"),
    Option("head-timeout", nil, "SECONDS", "for a request's head [10]"),
    Option("body-timeout", nil, "SECONDS", "for its body, beside what its bytes need at 8 KiB/s [20]"),
    Option("drain-timeout", nil, "SECONDS", "for the requests under way when it is told to stop [30]"),
    Option("queue", nil, "N", "pictures that may wait for a worker; further ones are answered with 503 [128]"),
    .jobs,
  ],
  examples: [
    "gx-serve keys add me && gx-serve",
    "curl -H \"Authorization: Bearer $KEY\" -F image=@M31.jpg http://127.0.0.1:5000/api/classify",
    "gx-serve --public -m a.safetensors -m b.safetensors --listen [::1]:8080",
  ])

command.main { arguments in
  let keysPath = try arguments.string("keys") ?? KeyStore.defaultPath()
  if let word = arguments.operands.first {
    guard word == "keys" else { throw UsageError("unexpected operand '\(word)'") }
    return try keys(Array(arguments.operands.dropFirst()), arguments, path: keysPath)
  }
  if arguments.has("scope") { throw UsageError("--scope is for 'keys add'") }
  let paths = arguments.strings("model")
  let views = try arguments.value("tta", Views.grammar, Views.init(rawValue:))
  if paths.isEmpty { Log.note("no -m MODEL: \(Model.inTheBoxName) classifies") }
  Signals.deferInterrupts()
  let server = try Server(
    settings(arguments),
    Server.Sources {
      try ServedModel(
        paths.isEmpty ? [Model.inTheBox()] : paths.map { path throws in try Model(path: path) }, views: views,
        calibration: Ensemble.CalibrationSource(option: arguments.string("calibration")))
    } keys: {
      try KeyStore(path: keysPath)
    },
    endpoints: (arguments.has("listen") ? arguments.strings("listen") : ["127.0.0.1:5000"]).map(endpoint),
    certificate: certificate(arguments), accessLog: arguments.string("access-log"), tell: Log.tell)
  server.run()
  return .done
}

func endpoint(_ text: String) throws -> Endpoint {
  guard let endpoint = Endpoint(text) else {
    throw UsageError("--listen: '\(text)' is not like 127.0.0.1:5000, [::1]:5000 or :5000")
  }
  return endpoint
}

func certificate(_ arguments: Arguments) throws -> Server.CertificateFiles? {
  switch (arguments.string("tls-cert"), arguments.string("tls-key")) {
  case (let chain?, let key?): return (chain, key)
  case (nil, nil): return nil
  default: throw UsageError("--tls-cert and --tls-key go together")
  }
}

func settings(_ arguments: Arguments) throws -> Settings {
  var settings = Settings()
  func set<T>(_ place: WritableKeyPath<Settings, T>, _ value: T?) {
    if let value { settings[keyPath: place] = value }
  }
  func mebibytes(_ option: String) throws -> Int? { try arguments.int(option, in: 1...1 << 20).map { $0 << 20 } }
  set(\.isPublic, arguments.has("public"))
  set(\.workers, try arguments.jobs())
  set(\.keyRate, try arguments.int("rate-per-key", in: 0...1_000_000_000))
  set(\.addressRate, try arguments.int("rate-per-address", in: 0...1_000_000_000))
  set(\.pictureBytes, try mebibytes("max-body"))
  set(\.batchBytes, try mebibytes("max-batch"))
  set(\.uploadBytes, try mebibytes("max-memory"))
  set(\.pixels, try arguments.int("max-pixels", in: 1...1_000_000_000))
  set(\.parts, try arguments.int("max-parts", in: 1...1_000_000))
  set(\.connections, try arguments.int("max-connections", in: 1...100_000))
  set(\.connectionsPerAddress, try arguments.int("max-connections-per-address", in: 1...100_000))
  set(\.headSeconds, try arguments.double("head-timeout", in: 0.1...3600))
  set(\.bodySeconds, try arguments.double("body-timeout", in: 0.1...3600))
  set(\.drainSeconds, try arguments.double("drain-timeout", in: 0...3600))
  set(\.queue, try arguments.int("queue", in: 1...100_000))
  settings.trustedProxies = try arguments.strings("trusted-proxy").map { text in
    guard let range = AddressRange(text) else {
      throw UsageError("--trusted-proxy: '\(text)' is no address, nor like 10.0.0.0/8")
    }
    return range
  }
  return settings
}

/// The subcommand that makes, lists and removes keys.
func keys(_ words: [String], _ arguments: Arguments, path: String) throws -> ExitStatus {
  switch (words.first, words.count) {
  case ("add", 2):
    let scopes = try (arguments.string("scope") ?? "read").split(separator: ",").map { name in
      guard let scope = Scope(rawValue: String(name)) else {
        throw UsageError("--scope: '\(name)' is none of \(Scope.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return scope
    }
    let made = try APIKey.make(name: words[1], scopes: Set(scopes))
    try KeyStore.change(path: path) { try $0.add(made.key) }
    try put(made.text)
    Log.note("key '\(words[1])' is in \(path). It is not shown again; a server that runs learns of it on SIGHUP.")
  case ("list", 1):
    for key in try KeyStore(path: path).keys { try put(JSON.object(key.shown).text) }
  case ("remove", 2):
    try KeyStore.change(path: path) { try $0.remove(words[1]) }
    Log.note("key '\(words[1])' is removed; a server that runs learns of it on SIGHUP")
  default: throw UsageError("'keys' is followed by add NAME, list, or remove NAME")
  }
  return .done
}

func put(_ line: String) throws {
  let sink = ByteSink()
  try sink.write(Array("\(line)\n".utf8))
  try sink.flush()
}
