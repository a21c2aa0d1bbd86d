/// What the server allows. Every limit on what comes from the network stands here.
public struct Settings: Sendable {
  /// The largest picture file, and so the largest body of a single picture, in bytes.
  public var pictureBytes = 16 << 20
  /// The largest body of a batch, in bytes.
  public var batchBytes = 256 << 20
  /// The most pixels of a picture that is decoded.
  public var pixels = 25_000_000
  /// The most parts of a form, or members of an archive.
  public var parts = 1000
  /// The headers of one part, in bytes.
  public var partHeaderBytes = 4096
  /// What one connection may take for a request's line and headers (and the pieces of its body), in bytes.
  public var headBytes = 32 << 10
  /// What all uploads together may hold in memory, in bytes.
  public var uploadBytes = 256 << 20
  /// Pictures that may wait for a worker.
  public var queue = 128
  /// Threads that decode and classify.
  public var workers = 1
  /// Open connections: in all, and of one address (a /64 of IPv6).
  public var connections = 4096
  public var connectionsPerAddress = 128
  /// Seconds within which a request's head must be complete, from the connection's or the last answer's time on.
  public var headSeconds = 10.0
  /// Seconds that a body may take, beside those it needs at the slowest rate that is put up with.
  public var bodySeconds = 20.0
  public var slowestBytesPerSecond = 8192.0
  /// Seconds that requests in flight have once the server is told to stop.
  public var drainSeconds = 30.0
  /// Requests a minute; 0 is no limit.
  public var keyRate = 1200
  public var addressRate = 1200
  /// Whether requests need no key.
  public var isPublic = false
  /// Whose word for a client's address is believed.
  public var trustedProxies: [AddressRange] = []

  public init() {}
}
