import GXCore
import GXMetrics
import GXNet

extension Trainer {
  /// The steps that are left of the epoch; false where `shouldStop` said so.
  func trainEpoch(_ shouldStop: () -> Bool, _ afterStep: () throws -> Void) throws -> Bool {
    let order = BatchMaker.order(training.train, seed: plan.seed, epoch: epoch)
    let (maker, epoch, size) = (maker, epoch, plan.batch)
    let prefetcher = Prefetcher(batches, step..<stepsPerEpoch) { number, batch in
      try maker.fill(batch, order[number * size..<(number + 1) * size], epoch: epoch, number: number)
    }
    defer { prefetcher.stop() }
    var before = now()
    while let batch = try network.measure("wait for pictures", prefetcher.next) {
      let done = epoch * stepsPerEpoch + step
      network.measure("copy pictures") { _ = network.input.update(fromContentsOf: batch.pixels) }
      let (loss, right) = try gradient(of: batch, step: done)
      if let sharpness {
        try sharpness.atTheWorst(gradientNorm: optimizer.gradientNorm) { _ = try gradient(of: batch, step: done) }
      }
      network.measure("optimizer") { optimizer.step(learningRate: rate(step: done)) }
      network.measure("average") { average?.update(step: done + 1) }
      step += 1
      let after = now()
      tally.add(
        loss: loss, weight: batch.weights.reduce(0) { $0 + Double($1) }, right: right,
        of: batch.count, seconds: after - before)
      before = after
      try afterStep()
      if shouldStop() { return false }
    }
    return true
  }

  /// Computes the gradient of a batch's mean loss, where the weights are.
  /// - Parameter step: counted from the beginning of the run; dropout follows from it.
  /// - Returns: That loss, and how many pictures are predicted as labelled.
  private func gradient(of batch: Batch, step: Int) throws -> (loss: Double, right: Int) {
    let logits = try network.forward(seed: mixed(plan.seed, UInt64(step)))
    let loss = network.measure("loss") { objective.loss(logits, batch) }
    guard loss.isFinite else {
      throw GXError("epoch \(epoch + 1): the loss is not finite any more; a lower learning rate may help")
    }
    let right = objective.countRight(logits, batch)
    try network.backward(.init(objective.gradient))
    return (loss, right)
  }

  /// The learning rate of step `step`, counted from the beginning of the run.
  func rate(step: Int) -> Double {
    plan.learningRate * plateau.scale
      * plan.schedule.factor(
        step: step, of: plan.epochs * stepsPerEpoch, stepsPerEpoch: stepsPerEpoch,
        warmup: Int((plan.warmup * Double(stepsPerEpoch)).rounded()))
  }

  /// The weights that are validated and kept: the average if there is one, else those of the last step.
  func currentWeights() throws -> [(name: String, tensor: Tensor)] {
    let weights = try network.weights()
    return try average?.weights(in: weights) ?? weights
  }

  /// The scores of the weights as they are now.
  func validate() throws -> ValidationScores {
    try validationNetwork.load(Dictionary(uniqueKeysWithValues: currentWeights()))
    let classes = graph.output[0]
    var confusion = ConfusionMatrix(classes: classes)
    var total = 0.0
    try validationMaker.run(validationNetwork, over: validation.val, batches) { batch, _, logits in
      total += validationObjective.loss(logits, batch) * Double(batch.count)
      for (i, label) in batch.labels.enumerated() {
        confusion.add(truth: label, predicted: largest(logits, i * classes, classes))
      }
    }
    guard total.isFinite else { throw GXError("epoch \(epoch + 1): the validation loss is not finite") }
    return ValidationScores(
      loss: total / Double(validation.val.count), accuracy: confusion.accuracy, macroF1: confusion.macroF1)
  }
}
