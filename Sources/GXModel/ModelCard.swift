import GXCore

/// All that is known of a model, for its user: what it takes and gives, what it was trained on, what its maker says.
extension Model {
  /// How many bytes the file has that `write` makes.
  public var fileSize: Int {
    get throws {
      var count = 0
      try safetensors().write { count += $0.count }
      return count
    }
  }

  /// One object: `name`, `about`, `classes`, `input`, `ops`, `tta`, `parameters`, `dtype` of the weights, `bytes` of
  /// the file, `digest`, `calibration`, `scores`, `limits`, `attribution` and further fields of the card where they are
  /// set, `training`, the `command` that trained it, and `nodes` (name, op, shape, parameters).
  public var cardJSON: JSONObject {
    get throws {
      var fields: JSONObject = [:]
      for name in ["name", "about"] { fields[name] = card[name] }
      let dtypes = Set(weights.map(\.tensor.dtype.name)).sorted()
      fields.merge([
        "classes": .array(classes.map(JSON.string)), "input": .array(input.map(JSON.int)), "ops": .array(ops),
        "tta": .string(views.rawValue), "parameters": .int(graph.parameterCount),
        "dtype": .string(dtypes.joined(separator: "+")), "bytes": .int(try fileSize), "digest": .string(digest),
      ])
      if let calibration { fields["calibration"] = .object(calibration.json) }
      for (name, value) in card where fields[name] == nil { fields[name] = value }
      fields["training"] = .object(training)
      fields["command"] = trainingCommand.map(JSON.string)
      fields["nodes"] = .array(
        graph.rows.map { row in
          [
            "name": .string(row.name), "op": .string(row.operation), "shape": .array(row.shape.map(JSON.int)),
            "parameters": .int(row.parameterCount),
          ]
        })
      return fields
    }
  }

  /// The same as text: a field a line, then the graph as a table. Control characters, which could play tricks on a
  /// terminal, are replaced.
  public var cardText: String {
    get throws {
      var fields = try cardJSON
      fields["nodes"] = nil
      var lines: [(name: String, value: String)] = []
      func add(_ name: String, _ value: JSON) {
        switch value {
        case .object(let object): for (key, value) in object { add("\(name).\(key)", value) }
        case .array(let items) where name == "ops":
          for (i, op) in items.enumerated() { lines.append((i == 0 ? name : "", op.text)) }
        case .array(let items) where name == "classes":
          lines.append((name, items.compactMap(\.stringValue).joined(separator: ", ")))
        case .string(let text): lines.append((name, text))
        default: lines.append((name, value.text))
        }
      }
      for (name, value) in fields { add(name, value) }
      var rows = graph.rows.map { row in
        [row.name, row.operation, row.shape.map(String.init).joined(separator: "x"), "\(row.parameterCount)"]
      }
      rows.insert(["node", "op", "shape", "parameters"], at: 0)
      return textTable(lines.map { [$0.name, $0.value] }) + "\n" + textTable(rows)
    }
  }
}

/// Rows of as many cells each, in columns two spaces apart. Control characters are replaced.
public func textTable(_ rows: [[String]]) -> String {
  let rows = rows.map { $0.map(printable) }
  var text = ""
  let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max()! }
  for row in rows {
    for (column, cell) in row.enumerated() {
      let isLast = column == row.count - 1
      text += cell + (isLast ? "\n" : String(repeating: " ", count: widths[column] - cell.count + 2))
    }
  }
  return text
}
