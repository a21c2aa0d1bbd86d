import GXCore

/// Occlusion maps (Zeiler & Fergus 2014): a square patch of the picture's mean colour is laid over one place after the
/// other, and what the class's logit falls by is the evidence that the patch hid. A place's evidence is the mean over
/// the patches that cover it. Slow, one inference a place; but it knows nothing of the network's inside, and so checks
/// the maps that do.
public struct Occlusion: Equatable, Sendable {
  /// Width and height of the patch, and the step from one place to the next, in pixels of the network's input.
  public let patch, stride: Int

  /// - Parameters:
  ///   - input: `[height, width, channels]` that the network takes.
  ///   - patch: nil is a fifth of the shorter side.
  ///   - stride: nil is half of the patch.
  /// - Throws: `GXError` where the patch does not fit into the input, or steps leave some of it out.
  public init(input: Shape, patch: Int? = nil, stride: Int? = nil) throws(GXError) {
    let side = min(input[0], input[1])
    self.patch = patch ?? max(side / 5, 1)
    self.stride = stride ?? max(self.patch / 2, 1)
    guard (1...side).contains(self.patch) else {
      throw GXError("a patch of \(self.patch) pixels: the network takes \(input[1])x\(input[0])")
    }
    guard (1...self.patch).contains(self.stride) else {
      throw GXError("a stride of \(self.stride) pixels leaves some between patches of \(self.patch)")
    }
  }

  /// Where patches begin along a side of `size`; the last is cut off at its end.
  func starts(_ size: Int) -> [Int] { Array(Swift.stride(from: 0, to: size - patch + stride, by: stride)) }
}

extension Network {
  /// The map of the one picture in `input`, `[height, width]` of it; `input` is left as it was.
  /// - Parameter label: the class, by its place among the logits, that evidence is looked for.
  /// - Throws: `GXError` where logits are not finite.
  public func map(of label: Int, _ occlusion: Occlusion) throws -> EvidenceMap {
    precondition(batch == 1 && (0..<graph.output[0]).contains(label), "one picture, and a class of it")
    let (height, width, channels) = (graph.input[0], graph.input[1], graph.input[2])
    let picture = Array(input)
    defer { _ = input.update(fromContentsOf: picture) }
    let mean = (0..<channels).map { c in
      Float(stride(from: c, to: picture.count, by: channels).reduce(0) { $0 + Double(picture[$1]) })
        / Float(height * width)
    }
    func logit() throws -> Double {
      let value = try forward()[label]
      guard value.isFinite else { throw GXError("the network's logits are not finite") }
      return Double(value)
    }
    let whole = try logit()
    var falls = [Double](repeating: 0, count: height * width)
    var covers = falls
    for top in occlusion.starts(height) {
      for left in occlusion.starts(width) {
        let columns = left..<min(left + occlusion.patch, width)
        let rows = top..<min(top + occlusion.patch, height)
        _ = input.update(fromContentsOf: picture)
        for y in rows {
          for x in columns { for c in 0..<channels { input[(y * width + x) * channels + c] = mean[c] } }
        }
        let fall = try whole - logit()
        for y in rows {
          for x in columns {
            falls[y * width + x] += fall
            covers[y * width + x] += 1
          }
        }
      }
    }
    return EvidenceMap(zip(falls, covers).map { $0 / $1 })
  }
}
