import GXCore

/// What the server counts, and how Prometheus reads it (text format 0.0.4).
final class ServerMetrics: @unchecked Sendable {
  /// Upper bounds of the histogram's buckets, in seconds.
  private static let bounds = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]

  private struct Histogram {
    var counts = [Int](repeating: 0, count: ServerMetrics.bounds.count)
    var total = 0
    var sum = 0.0
  }

  private struct RouteStatus: Hashable { let route: String, status: Int }

  private let monitor = Monitor()
  private var requests: [RouteStatus: Int] = [:]
  private var latencies: [String: Histogram] = [:]
  private var rejections: [Rejection: Int] = [:]
  private var pictures: [Name: Int] = [:]
  private var failedPictures = 0
  private var reloads = (done: 0, failed: 0)
  private var gauges: [(name: String, help: String, read: @Sendable () -> Int)] = []

  /// A request that was answered, `seconds` after its head was there.
  func count(route: String, status: Int, seconds: Double, _ rejection: Rejection?) {
    monitor.locked {
      requests[RouteStatus(route: route, status: status), default: 0] += 1
      var histogram = latencies[route] ?? Histogram()
      if let place = Self.bounds.firstIndex(where: { seconds <= $0 }) { histogram.counts[place] += 1 }
      histogram.total += 1
      histogram.sum += seconds
      latencies[route] = histogram
      if let rejection { rejections[rejection, default: 0] += 1 }
    }
  }

  func count(_ rejection: Rejection) { monitor.locked { rejections[rejection, default: 0] += 1 } }

  /// A picture and the class it got; nil where it failed.
  func count(picture galaxyClass: String?) {
    monitor.locked {
      if let galaxyClass { pictures[Name(galaxyClass), default: 0] += 1 } else { failedPictures += 1 }
    }
  }

  func count(reload done: Bool) { monitor.locked { if done { reloads.done += 1 } else { reloads.failed += 1 } } }

  /// One more number that is asked for each time.
  func watch(_ name: String, _ help: String, _ read: @escaping @Sendable () -> Int) {
    monitor.locked { gauges.append((name, help, read)) }
  }

  /// All of it.
  var text: String {
    let gauges = monitor.locked { self.gauges }.map { ($0.name, $0.help, value: $0.read()) }
    return counters
      + gauges.map { name, help, value in
        "# HELP \(name) \(help)\n# TYPE \(name) gauge\n\(name) \(value)\n"
      }.joined()
  }

  private var counters: String {
    monitor.locked {
      var out = ""
      func head(_ name: String, _ type: String, _ help: String) {
        out += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
      }
      head("gx_requests_total", "counter", "Requests by route and status.")
      for (key, count) in requests.sorted(by: { ($0.key.route, $0.key.status) < ($1.key.route, $1.key.status) }) {
        out += "gx_requests_total{route=\"\(key.route)\",status=\"\(key.status)\"} \(count)\n"
      }
      head("gx_request_seconds", "histogram", "Time from a request's head to the end of its answer, by route.")
      for (route, histogram) in latencies.sorted(by: { $0.key < $1.key }) {
        var count = 0
        for (bound, more) in zip(Self.bounds, histogram.counts) {
          count += more
          out += "gx_request_seconds_bucket{route=\"\(route)\",le=\"\(JSON.double(bound).text)\"} \(count)\n"
        }
        out += "gx_request_seconds_bucket{route=\"\(route)\",le=\"+Inf\"} \(histogram.total)\n"
        out += "gx_request_seconds_sum{route=\"\(route)\"} \(histogram.sum)\n"
        out += "gx_request_seconds_count{route=\"\(route)\"} \(histogram.total)\n"
      }
      head("gx_rejections_total", "counter", "Requests and connections turned away, by reason.")
      for reason in Rejection.allCases {
        out += "gx_rejections_total{reason=\"\(reason.rawValue)\"} \(rejections[reason] ?? 0)\n"
      }
      head("gx_pictures_total", "counter", "Pictures classified, by class.")
      for (name, count) in pictures.sorted(by: { $0.key < $1.key }) {
        out += "gx_pictures_total{class=\"\(escaped(name.text))\"} \(count)\n"
      }
      head("gx_pictures_failed_total", "counter", "Pictures that could not be classified.")
      out += "gx_pictures_failed_total \(failedPictures)\n"
      head("gx_reloads_total", "counter", "Reloads of model and keys, by outcome.")
      out +=
        "gx_reloads_total{outcome=\"done\"} \(reloads.done)\ngx_reloads_total{outcome=\"failed\"} \(reloads.failed)\n"
      return out
    }
  }

  /// A label's value.
  private func escaped(_ text: String) -> String {
    var out = ""
    for c in text.unicodeScalars {
      out += c == "\\" ? "\\\\" : c == "\"" ? "\\\"" : c == "\n" ? "\\n" : String(c)
    }
    return out
  }
}
