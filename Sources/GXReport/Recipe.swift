import GXCore
import GXModel

extension Model {
  /// The command that trained it, by what its `training` says, on records that were prepared by its `ops`; nil where it
  /// says nothing. What the file does not hold (paths, the number of threads) is not in it.
  public var trainingCommand: String? {
    guard let arguments = training["arguments"]?.objectValue else { return nil }
    var words = ["gx-train"]
    for (name, value) in arguments {
      switch (name, value) {
      // What JSON's null stands for here is what the option calls so.
      case ("augment", .null): words += ["--augment", "none"]
      case ("ema", .null), ("patience", .null): words += ["--\(name)", "0"]
      case (_, .null), ("nesterov", false): break
      case ("nesterov", true): words.append("--nesterov")
      case ("best", .string(let score)): words += ["--best", score]
      case ("augment", .object(let fields)): words += ["--augment", augmentation(fields)]
      case ("weights", .string(let digest)), ("distill", .string(let digest)):
        words += ["--\(name)", "FILE-OF-DIGEST-\(digest)"]
      default: words += ["--\(name)", value.nameValue ?? value.text]
      }
    }
    // Trained on all, the last epoch kept.
    if arguments["best"] == .null { words += ["--hold-out", "0"] }
    return (words + ["-o", "MODEL"]).map(quoted).joined(separator: " ") + " < STREAM"
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

/// A word as bash reads it back.
func quoted(_ word: String) -> String {
  let plain = word.unicodeScalars.allSatisfy { c in
    c.isASCII && (c.properties.isAlphabetic || ("0"..."9").contains(c) || "-_./,:=+@%".unicodeScalars.contains(c))
  }
  return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
}
