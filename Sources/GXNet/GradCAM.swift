import GXCore

/// Class activation maps: where in a picture a network sees evidence for a class. Both ways look at the value of one
/// node, `A[y, x, channel]`, and at the derivative of the class's logit by it, `G`.
public enum CAM: String, CaseIterable, Sendable {
  /// ReLU(Σ over channels of mean over places(G) · A): Selvaraju et al. 2017, equations 1 and 2.
  case gradCAM = "gradcam"
  /// ReLU(Σ over channels of G · A), which shows no place that the logit does not depend on: Draelos & Carin 2020.
  case hiResCAM = "hirescam"

  /// The map of one picture.
  /// - Parameters:
  ///   - value: `A`, `[height, width, channels]`.
  ///   - gradient: `G`, likewise.
  /// - Throws: `GXError` where numbers are not finite.
  func map(
    value: UnsafeBufferPointer<Float>, gradient: UnsafeBufferPointer<Float>, channels: Int
  ) throws(GXError) -> EvidenceMap {
    precondition(value.count == gradient.count && value.count % channels == 0)
    let rows = stride(from: 0, to: value.count, by: channels)
    var weights = [Double](repeating: 0, count: channels)
    if self == .gradCAM {
      let share = Double(channels) / Double(value.count)
      for row in rows { for c in 0..<channels { weights[c] += share * Double(gradient[row + c]) } }
    }
    let evidence = rows.map { row in
      var sum = 0.0
      for c in 0..<channels {
        sum += (self == .gradCAM ? weights[c] : Double(gradient[row + c])) * Double(value[row + c])
      }
      return sum
    }
    guard evidence.allSatisfy(\.isFinite) else { throw GXError("the network's derivatives are not finite") }
    return EvidenceMap(evidence)
  }
}

/// Where in a picture there is evidence for a class.
public struct EvidenceMap: Equatable, Sendable {
  /// `[height, width]` in C order, scaled so that the largest value is 1; all 0 where nothing speaks for the class.
  public let values: [Float]
  /// The evidence that 1 stands for, in the unit of its method; 0 where nothing speaks for the class.
  public let peak: Float

  /// - Parameter evidence: finite; what is below 0 speaks against the class, and counts as 0.
  init(_ evidence: [Double]) {
    let largest = max(evidence.max() ?? 0, 0)
    values = evidence.map { largest > 0 ? Float(max($0, 0) / largest) : 0 }
    peak = Float(largest)
  }
}

extension Network {
  /// The map of each picture that `forward` computed last, `[height, width]` of the watched node: see `CAM`. Once after
  /// each `forward`, as `backward`.
  /// - Parameter classes: for each picture the class, by its place among the logits, that evidence is looked for.
  /// - Throws: `GXError` where no picture is watched, or numbers are not finite.
  public func maps(of classes: [Int], _ cam: CAM) throws -> [EvidenceMap] {
    guard let watched, let shape = watchedShape, shape.count == 3 else {
      throw GXError("the network watches no picture")
    }
    let count = graph.output[0]
    precondition(classes.count == batch && classes.allSatisfy((0..<count).contains), "a class for each picture")
    var oneHot = [Float](repeating: 0, count: batch * count)
    for (row, place) in classes.enumerated() { oneHot[row * count + place] = 1 }
    try oneHot.withUnsafeBufferPointer(backward)
    let size = shape.reduce(1, *)
    return try (0..<batch).map { row in
      let range = row * size..<(row + 1) * size
      return try cam.map(
        value: .init(rebasing: watched.value[range]), gradient: .init(rebasing: watched.gradient[range]),
        channels: shape[2])
    }
  }
}
