import GXCore
import GXStream
import Glibc

/// A server from start to stop: loads, opens its port when all is ready, and then does what signals tell it.
public final class Server: Sendable {
  /// Everything that is read anew on SIGHUP.
  public struct Sources: Sendable {
    let model: @Sendable () throws -> ServedModel
    let keys: @Sendable () throws -> KeyStore

    public init(model: @escaping @Sendable () throws -> ServedModel, keys: @escaping @Sendable () throws -> KeyStore) {
      (self.model, self.keys) = (model, keys)
    }
  }

  /// PEM files.
  public typealias CertificateFiles = (chain: String, key: String)

  private let settings: Settings
  private let tell: Tell
  private let sources: Sources
  private let log: AccessLog
  private let service: Service
  private let http: HTTPServer

  /// Loads the model, warms it up, and only then begins to listen.
  /// - Parameters:
  ///   - endpoints: Where to listen, unless systemd hands sockets over.
  ///   - accessLog: nil is stderr.
  ///   - tell: Gets what people should know: where it listens, reloads, the end.
  /// - Throws: `GXError` where something does not load, or a port is taken.
  public init(
    _ settings: Settings, _ sources: Sources, endpoints: [Endpoint], certificate: CertificateFiles?, accessLog: String?,
    tell: @escaping Tell
  ) throws {
    self.settings = settings
    self.tell = tell
    self.sources = sources
    Self.prepareProcess()
    let certificate = try certificate.map(HTTPServer.Certificate.init)
    let keys = try sources.keys()
    guard settings.isPublic || !keys.keys.isEmpty else {
      throw GXError(
        "there are no keys yet, so nobody could use it: make one with 'gx-serve keys add NAME', "
          + "or let everybody in with --public")
    }
    let model = try sources.model()
    try model.warmUp(threads: settings.workers)
    log = try AccessLog(path: accessLog, tell: tell)
    service = Service(
      model, keys, settings, log, files: try Page.files() + Samples.files(), isTLS: certificate != nil)
    let inherited = Systemd.sockets()
    let sockets = try inherited.isEmpty ? endpoints.map(ListenSocket.open) : inherited
    let names = sockets.map(ListenSocket.name)
    http = try HTTPServer(sockets, certificate, settings, service)
    service.metrics.watch("gx_connections", "Open connections.") { [http] in http.connections.count }
    // Scripts read this line to learn a port that was left to the system.
    for name in names { tell(.always("listening on \(certificate == nil ? "http" : "https")://\(name)/")) }
    Systemd.notify("READY=1")
  }

  /// Waits for signals, and returns once one of them said to stop and all requests are answered.
  public func run() {
    var set = Self.signals()
    while true {
      var signal: Int32 = 0
      guard sigwait(&set, &signal) == 0 else { continue }
      if signal != SIGHUP { break }
      reload()
    }
    Systemd.notify("STOPPING=1")
    tell(.note("stopping: \(http.requests) requests under way"))
    http.drain()
    log.flush()
  }

  /// Model and keys anew; if they do not load, or the model does not work, the old ones stay.
  private func reload() {
    log.reopen()
    do {
      let keys = try sources.keys()
      guard settings.isPublic || !keys.keys.isEmpty else { throw GXError("there are no keys") }
      let model = try sources.model()
      try model.warmUp(threads: settings.workers)
      service.model.now = model
      service.access.replace(keys: keys)
      service.metrics.count(reload: true)
      tell(.note("reloaded model and keys"))
    } catch {
      service.metrics.count(reload: false)
      tell(.error("not reloaded, the old model and keys stay: \(error)"))
    }
  }

  /// Signals are waited for by `run`; every thread that is started from here on leaves them to it. A lost reader must be
  /// an error of `write`, not a signal: the caller sees to that.
  private static func prepareProcess() {
    var set = signals()
    pthread_sigmask(SIG_BLOCK, &set, nil)
    // Each connection is a descriptor.
    var limit = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
      limit.rlim_cur = limit.rlim_max
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
  }

  private static func signals() -> sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, number) }
    return set
  }
}
