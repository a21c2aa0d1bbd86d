import CKernels
import GXCore

/// Where the time goes: a row for each step of a network's program, in its order, and for what is done besides.
public struct Profile: Sendable {
  public struct Row: Sendable {
    /// The node of the graph; empty besides.
    public let node: String
    /// What is done for it: `convolution`, `convolution by weights`, `reorder`, …
    public let step: String
    /// oneDNN's name of the code that does it: `jit:avx2` or the like; `ref` means slow. Empty for steps in Swift.
    public let implementation: String
    /// Floating-point operations a call: two for each multiplication with a weight, padding included; 0 for
    /// layers without a matrix of weights. Of the definition: Winograd's algorithm does fewer.
    public let flops: Double
    public private(set) var calls = 0
    public private(set) var seconds = 0.0

    init(node: String, step: String, implementation: String = "", flops: Double = 0) {
      (self.node, self.step, self.implementation, self.flops) = (node, step, implementation, flops)
    }

    mutating func add(calls: Int = 1, seconds: Double) {
      self.calls += calls
      self.seconds += seconds
    }
  }

  public private(set) var rows: [Row]
  /// That work on each step.
  public let threads: Int

  init(_ rows: [Row], threads: Int) { (self.rows, self.threads) = (rows, threads) }

  public var seconds: Double { rows.reduce(0) { $0 + $1.seconds } }

  mutating func add(step place: Int, seconds: Double) { rows[place].add(seconds: seconds) }

  /// Time that was spent outside of the network.
  mutating func add(_ name: String, seconds: Double) {
    let place = rows.firstIndex { $0.node.isEmpty && $0.step == name } ?? rows.endIndex
    if place == rows.endIndex { rows.append(Row(node: "", step: name)) }
    rows[place].add(seconds: seconds)
  }

  /// Takes in what another network of the same graph and batch took.
  public mutating func add(_ other: Profile) {
    precondition(rows.count == other.rows.count, "profiles of different networks")
    for (place, row) in other.rows.enumerated() { rows[place].add(calls: row.calls, seconds: row.seconds) }
  }

  // MARK: The machine

  /// The most floating-point operations a second that `threads` cores can do in f32: multiply-adds in registers, the
  /// best of some short loops on one core, times the threads. So it is right on a busy machine too.
  public static func peak(threads: Int) -> Double {
    var best = 0.0
    let end = now() + 0.3
    while now() < end {
      var value: Float = 0
      let start = now()
      let operations = gx_multiply_adds(100_000, &value)
      best = max(best, operations / (now() - start))
    }
    return best * Double(threads)
  }

  // MARK: The table

  /// For people: a line a row, longest totals by kind of step below.
  public func table() -> String {
    let peak = Self.peak(threads: threads)
    let total = max(seconds, 1e-12)
    var lines = [
      "Peak: \(fixed(peak * 1e-9, 1)) GFLOP/s, f32 multiply-adds in registers of one core, times \(threads).",
      line("node", "step", "calls", "ms/call", "share %", "GFLOP", "GFLOP/s", "% peak", "implementation"),
    ]
    func add(_ node: String, _ step: String, _ calls: Int, _ seconds: Double, _ flops: Double, _ implementation: String)
    {
      let speed = flops * Double(calls) / max(seconds, 1e-12)
      lines.append(
        line(
          node, step, String(calls), fixed(1e3 * seconds / Double(max(calls, 1)), 3), fixed(100 * seconds / total, 1),
          flops > 0 ? fixed(flops * 1e-9, 3) : "", flops > 0 ? fixed(speed * 1e-9, 1) : "",
          flops > 0 ? fixed(100 * speed / peak, 1) : "", implementation))
    }
    for row in rows where row.calls > 0 {
      add(row.node.isEmpty ? "-" : row.node, row.step, row.calls, row.seconds, row.flops, row.implementation)
    }
    lines.append("")
    let runs = rows.first?.calls ?? 0
    let kinds = Dictionary(grouping: rows.filter { $0.calls > 0 }, by: \.step).map { step, rows in
      (step, rows.reduce(0) { $0 + $1.seconds }, rows.reduce(0) { $0 + $1.flops * Double($1.calls) })
    }
    for (step, seconds, flops) in kinds.sorted(by: { ($1.1, $0.0) < ($0.1, $1.0) }) {
      add("total", step, runs, seconds, flops / Double(max(runs, 1)), "")
    }
    add("total", "", runs, seconds, rows.reduce(0) { $0 + $1.flops * Double($1.calls) } / Double(max(runs, 1)), "")
    return lines.map { $0 + "\n" }.joined()
  }

  private func line(_ node: String, _ step: String, _ columns: String...) -> String {
    let widths = [6, 9, 8, 8, 9, 8]
    var text = padded(node, 28) + " " + padded(step, 28)
    for (column, width) in zip(columns, widths) {
      text += String(repeating: " ", count: max(1, width - column.count)) + column
    }
    return text + (columns.last!.isEmpty ? "" : "  " + columns.last!)
  }

  private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
