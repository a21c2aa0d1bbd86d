import GXCore
import GXGraph
import Glibc

/// Logits of finer classes and of the classes that these are parts of: see `Operation.merge`.
public enum Merge {
  /// Each row of `logits`, `[rows, groups.count]`, to a row of `merged`, `[rows, classes]`: the logarithm of the sum of
  /// each class's exponentials. Safe for any finite logits.
  public static func forward(
    _ logits: UnsafeBufferPointer<Float>, groups: [Int], classes: Int, into merged: UnsafeMutableBufferPointer<Float>
  ) {
    let rows = logits.count / groups.count
    precondition(logits.count == rows * groups.count && merged.count == rows * classes)
    for row in 0..<rows {
      let parts = row * groups.count
      let sums = row * classes
      for k in 0..<classes { merged[sums + k] = -.infinity }
      for (i, group) in groups.enumerated() { merged[sums + group] = max(merged[sums + group], logits[parts + i]) }
      var total = [Double](repeating: 0, count: classes)
      for (i, group) in groups.enumerated() { total[group] += exp(Double(logits[parts + i] - merged[sums + group])) }
      for k in 0..<classes { merged[sums + k] += Float(log(total[k])) }
    }
  }

  /// The derivative by `logits`, given that by what they were `merged` to: each part has its share of its class's.
  ///
  /// Of targets of the classes, as `gradient`, it gives targets of the parts: the cross-entropy of `logits` against these
  /// has the derivative that the merged logits' cross-entropy against those has.
  public static func backward(
    _ logits: UnsafeBufferPointer<Float>, groups: [Int], classes: Int, merged: UnsafeBufferPointer<Float>,
    gradient: UnsafeBufferPointer<Float>, into result: UnsafeMutableBufferPointer<Float>
  ) {
    for row in 0..<logits.count / groups.count {
      for (i, group) in groups.enumerated() {
        let (part, sum) = (row * groups.count + i, row * classes + group)
        result[part] = gradient[sum] * exp(logits[part] - merged[sum])
      }
    }
  }
}

extension Compiler {
  func merge(_ place: Int, _ source: Int, _ groups: [Int]) throws {
    let x = try reordered(values[source]!, to: .plain(sizes(source)))
    let y = Buffer(try .plain(sizes(place)))
    let classes = sizes(place)[1]
    program.add("merge", [x, y]) { _ in
      Merge.forward(.init(x.floats), groups: groups, classes: classes, into: y.floats)
    }
    set(place, y)
    guard reaches(source) else { return }
    tape.append { [unowned self] in
      let dy = try reordered(gradient(place), to: y.layout)
      let dx = Buffer(x.layout)
      program.add("merge by source", [x, y, dy, dx]) { _ in
        Merge.backward(
          .init(x.floats), groups: groups, classes: classes, merged: .init(y.floats), gradient: .init(dy.floats),
          into: dx.floats)
      }
      contribute(dx, to: source)
    }
  }
}
