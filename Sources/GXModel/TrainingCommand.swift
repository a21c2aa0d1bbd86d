import GXCore

// How a run was started stands in models and checkpoints as an object of gx-train's long options in the order of its
// table: a text or number is an option's value, true is a flag that was given, and {"digest": …} a file that was read.
// An option that is not there was not given.

/// An option and its value as words of a command line. A file goes by FILE-OF-DIGEST-…, for where it is is not known.
public func commandWords(_ option: String, _ value: JSON) -> [String] {
  switch value {
  case .null, false: []
  case true: ["--\(option)"]
  case .object(let fields):
    ["--\(option)", fields["digest"]?.stringValue.map { "FILE-OF-DIGEST-\($0)" } ?? value.text]
  default: ["--\(option)", value.nameValue ?? value.text]
  }
}

extension Model {
  /// The command that trained it, by what its `training` says, on records that were prepared by its `ops`; nil where it
  /// says nothing. Paths, which the file does not hold, are words in capitals.
  public var trainingCommand: String? {
    guard var arguments = training["arguments"]?.objectValue else { return nil }
    if arguments["augment"]?.stringValue == nil { arguments = translated(arguments) }
    let words = ["gx-train"] + arguments.flatMap(commandWords) + ["--output", "MODEL"]
    return words.map(shellWord).joined(separator: " ") + " < STREAM"
  }

  /// Arguments as the first models have them, which were written with null where nothing was given, an object for the
  /// augmentation, and a bare digest for a file.
  private func translated(_ old: JSONObject) -> JSONObject {
    var arguments: JSONObject = [:]
    for (name, value) in old {
      switch (name, value) {
      case ("augment", .null): arguments[name] = "none"
      case ("augment", .object(let fields)): arguments[name] = .string(augmentation(fields))
      case ("ema", .null), ("patience", .null): arguments[name] = 0
      // Trained on all, the last epoch kept.
      case ("best", .null): arguments["hold-out"] = 0
      case ("weights", .string), ("distill", .string): arguments[name] = ["digest": value]
      case ("precision", _): arguments["compute"] = value
      default: arguments[name] = value
      }
    }
    return arguments
  }

  /// As gx-train's `--augment` wants it.
  private func augmentation(_ fields: JSONObject) -> String {
    var parts: [String] = []
    for (name, value) in fields where name != "op" && name != "random" {
      let numbers = value.arrayValue?.map(\.text)
      let text = numbers?.joined(separator: name == "zoom" ? ":" : "x") ?? value.nameValue ?? ""
      if !text.isEmpty { parts.append("\(name)=\(text)") }
    }
    // The crop is in what is done to every picture, not to the training's alone.
    if let last = ops.last?.objectValue, last["op"] == "crop", let width = last["width"], let height = last["height"] {
      parts.append("crop=\(width.text)x\(height.text)")
    }
    return parts.joined(separator: ",")
  }
}
