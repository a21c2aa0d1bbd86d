import GXCore

// What a data set must have to be trained on, and what may surprise in one that has it.

extension Dataset {
  /// - Throws: `GXError` where there are fewer than two classes, one of them is without train pictures, or
  ///   `validation` has nothing to validate on; nil if that is as it should be.
  public func checkTrainable(validation: Dataset?) throws(GXError) {
    guard classes.count >= 2 else {
      throw GXError(
        classes.isEmpty && refusals.count > 0
          ? "\(name): no record can be learnt from\(refusals.clause)"
          : "\(name): two or more labels are needed; the records have \(classes)\(refusals.clause)")
    }
    if let empty = counts(train).firstIndex(of: 0) {
      throw GXError("\(name): no train record has the label '\(classes[empty])'\(refusals.clause)")
    }
    if let validation, validation.val.isEmpty {
      throw GXError(
        "\(validation.name): no record to validate on (--hold-out 0 does without)\(validation.refusals.clause)")
    }
  }

  /// What a user should know of classes that are not learnt or not validated, each a sentence.
  /// - Parameter validation: nil where nothing is validated on purpose.
  public func warnings(validation: Dataset?) -> [String] {
    var all: [String] = []
    if let finer {
      var parts = [Int](repeating: 0, count: finer.names.count)
      for sample in train { parts[Int(sample.part)] += 1 }
      let empty = parts.indices.filter { parts[$0] == 0 }.map { finer.names[$0] }
      if !empty.isEmpty {
        all.append("no train record has the \(finer.field) \(quoted(empty)): the others are held out")
      }
    }
    if let validation {
      let counts = counts(validation.val)
      let empty = classes.indices.filter { counts[$0] == 0 }.map { classes[$0] }
      if !empty.isEmpty {
        all.append("no record of \(quoted(empty)) to validate on: the validation scores leave it out")
      }
    }
    if !testLabels.isEmpty {
      all.append("test records alone have the label \(quoted(testLabels)), which is not learnt")
    }
    return all
  }

  /// How many of `samples` have each label.
  private func counts(_ samples: [Sample]) -> [Int] {
    var counts = [Int](repeating: 0, count: classes.count)
    for sample in samples { counts[Int(sample.label)] += 1 }
    return counts
  }
}

/// Names for a message: the first few, each in quotes.
func quoted(_ names: [String]) -> String {
  names.prefix(5).map { "'\($0)'" }.joined(separator: ", ") + (names.count > 5 ? " and \(names.count - 5) more" : "")
}
