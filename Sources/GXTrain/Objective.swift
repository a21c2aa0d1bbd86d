import GXCore
import GXNet

/// What training makes small: the mean cross-entropy of a network's logits with the targets of a batch.
///
/// Where the network predicts finer classes (`groups` says which label each is part of), a target's value for a label goes
/// to the label's parts in the network's own proportions. The loss's derivative is then that of the cross-entropy of
/// the labels, whose probabilities are the sums of their parts'.
final class Objective {
  /// The loss's derivative by the logits, `[batch, classes]`.
  let gradient: UnsafeMutableBufferPointer<Float>
  private let targets: TargetMaker
  private let groups: [Int]?
  /// With finer classes: the logits of the labels, `[batch, labels]`.
  private let merged: UnsafeMutableBufferPointer<Float>
  /// Where targets have values for labels: these, `[batch, labels]`, and what becomes of the targets, `[batch, classes]`.
  private let labels: UnsafeMutableBufferPointer<Float>
  private let resolved: UnsafeMutableBufferPointer<Float>

  /// - Parameters:
  ///   - size: Pictures a batch.
  ///   - targets: What makes the batches' targets.
  ///   - groups: By finer class, the label that it is part of; nil where the network predicts the labels.
  init(size: Int, _ targets: TargetMaker, groups: [Int]?) {
    (self.targets, self.groups) = (targets, groups)
    let isResolved = targets.width > targets.classes
    gradient = .allocate(capacity: size * targets.classes)
    merged = .allocate(capacity: groups == nil ? 0 : size * targets.labels)
    labels = .allocate(capacity: isResolved ? size * targets.labels : 0)
    resolved = .allocate(capacity: isResolved ? size * targets.classes : 0)
    labels.initialize(repeating: 0)
    resolved.initialize(repeating: 0)
  }

  deinit { for buffer in [gradient, merged, labels, resolved] { buffer.deallocate() } }

  /// The batch's mean loss; sets `gradient`.
  /// - Parameter logits: `[batch, classes]`.
  func loss(_ logits: UnsafeBufferPointer<Float>, _ batch: Batch) -> Double {
    Loss.crossEntropy(
      logits, targets: targets(logits, batch), weights: .init(batch.weights), classes: targets.classes,
      gradient: gradient)
  }

  /// How many of the pictures are predicted as labelled.
  func countRight(_ logits: UnsafeBufferPointer<Float>, _ batch: Batch) -> Int {
    var scores = logits
    if let groups {
      Merge.forward(logits, groups: groups, classes: targets.labels, into: merged)
      scores = .init(merged)
    }
    return batch.labels.indices.count {
      batch.labels[$0] == largest(scores, $0 * targets.labels, targets.labels)
    }
  }

  /// The batch's targets, `[batch, classes]`.
  private func targets(_ logits: UnsafeBufferPointer<Float>, _ batch: Batch) -> UnsafeBufferPointer<Float> {
    let (classes, width) = (targets.classes, targets.width)
    guard let groups, width > classes else { return .init(rebasing: batch.targets[..<logits.count]) }
    for i in labels.indices {
      labels[i] = batch.targets[i / targets.labels * width + classes + i % targets.labels]
    }
    Merge.forward(logits, groups: groups, classes: targets.labels, into: merged)
    Merge.backward(
      logits, groups: groups, classes: targets.labels, merged: .init(merged), gradient: .init(labels), into: resolved)
    for i in resolved.indices { resolved[i] += batch.targets[i / classes * width + i % classes] }
    return .init(resolved)
  }
}
