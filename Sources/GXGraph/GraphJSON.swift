import GXCore

/// The graph as the model file holds it:
/// `{"input":[64,64,3],"initializer":"he","nodes":[{"name":"stem","op":"conv","inputs":["input"],"channels":32,…},…]}`.
extension Graph {
  public var json: JSON {
    var list: [JSON] = []
    for node in nodes {
      let inputs = node.inputs.map { JSON.string($0 < 0 ? Self.inputName : nodes[$0].name) }
      var object: JSONObject = [
        "name": .string(node.name), "op": .string(node.operation.name), "inputs": .array(inputs),
      ]
      object.merge(node.operation.fields)
      list.append(.object(object))
    }
    return ["input": .array(input.map(JSON.int)), "initializer": .string(initializer.rawValue), "nodes": .array(list)]
  }

  /// Reads what `json` wrote. Throws an error that names the node and field if anything is unknown,
  /// missing, out of range or does not fit together.
  public init(json: JSON) throws {
    var fields = try JSONFields(json, "graph")
    let shape = try fields.required("input", .list(.int))
    let initializer = try fields.optional("initializer", .choice(Initializer.self))
    let list = try fields.required("nodes", .list(.any))
    try fields.finish()
    try self.init(input: shape, initializer: initializer ?? .he)
    for (place, item) in list.enumerated() {
      var fields = try JSONFields(item, "node \(place)")
      let name = try fields.required("name", .string)
      fields.place = "node \(name)"
      let inputs = try fields.required("inputs", .list(.string))
      let operation = try Operation(&fields)
      try fields.finish()
      try add(name, operation, inputs: inputs)
    }
    try checkComplete()
  }
}

extension Operation {
  /// What JSON and errors call it.
  var name: String {
    switch self {
    case .convolution: "conv"
    case .batchNorm: "batch_norm"
    case .activation(let activation): activation.rawValue
    case .pool(let kind, _): "\(kind.rawValue)_pool"
    case .globalAveragePool: "global_avg_pool"
    case .add: "add"
    case .multiply: "mul"
    case .linear: "linear"
    case .dropout: "dropout"
    case .merge: "merge"
    }
  }

  fileprivate var fields: JSONObject {
    switch self {
    case .convolution(let channels, let window, let groups, let bias):
      var object: JSONObject = ["channels": .int(channels)]
      object.merge(window.fields)
      object.merge(["dilation": window.dilation.json, "groups": .int(groups), "bias": .bool(bias)])
      return object
    case .batchNorm(let epsilon, let momentum): return ["eps": .double(epsilon), "momentum": .double(momentum)]
    case .pool(_, let window): return window.fields
    case .linear(let features, let bias): return ["features": .int(features), "bias": .bool(bias)]
    case .dropout(let rate): return ["rate": .double(rate)]
    case .merge(let groups): return ["groups": .array(groups.map(JSON.int))]
    case .activation, .globalAveragePool, .add, .multiply: return [:]
    }
  }

  fileprivate init(_ fields: inout JSONFields) throws {
    let op = try fields.required("op", .string)
    switch op {
    case "conv":
      self = .convolution(
        channels: try fields.required("channels", .int),
        window: try Window(&fields),
        groups: try fields.optional("groups", .int) ?? 1,
        bias: try fields.optional("bias", .bool) ?? true)
    case "batch_norm":
      self = .batchNorm(
        epsilon: try fields.optional("eps", .number) ?? 1e-5,
        momentum: try fields.optional("momentum", .number) ?? 0.1)
    case "max_pool": self = .pool(.max, try Window(&fields))
    case "avg_pool": self = .pool(.average, try Window(&fields))
    case "global_avg_pool": self = .globalAveragePool
    case "add": self = .add
    case "mul": self = .multiply
    case "linear":
      self = .linear(
        features: try fields.required("features", .int),
        bias: try fields.optional("bias", .bool) ?? true)
    case "dropout": self = .dropout(rate: try fields.required("rate", .number))
    case "merge":
      self = .merge(
        groups: try fields.required("groups", .list(.int)))
    default:
      guard let activation = Activation(rawValue: op) else { throw GXError("\(fields.place): unknown op \(op)") }
      self = .activation(activation)
    }
  }
}

extension Size {
  fileprivate var json: JSON { [.int(height), .int(width)] }

  /// `[height, width]`, or one number for both.
  fileprivate init?(json: JSON) {
    if let both = json.intValue {
      self.init(both)
    } else {
      guard let list = json.arrayValue, list.count == 2, let height = list[0].intValue, let width = list[1].intValue
      else { return nil }
      self.init(height, width)
    }
  }
}

extension JSONKind where Value == Size {
  fileprivate static var size: JSONKind { JSONKind("[height, width]", Size.init(json:)) }
}

extension Window {
  fileprivate var fields: JSONObject {
    var object: JSONObject = ["kernel": kernel.json, "stride": stride.json, "padding": padding.json]
    if paddingAfter != padding { object["padding_after"] = paddingAfter.json }
    return object
  }

  fileprivate init(_ fields: inout JSONFields) throws {
    self.init(
      kernel: try fields.required("kernel", .size),
      stride: try fields.optional("stride", .size) ?? Size(1),
      padding: try fields.optional("padding", .size) ?? Size(0),
      paddingAfter: try fields.optional("padding_after", .size),
      dilation: try fields.optional("dilation", .size) ?? Size(1))
  }
}
