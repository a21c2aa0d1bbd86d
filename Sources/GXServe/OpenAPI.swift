import GXCore
import GXImage

/// The API's description (OpenAPI 3.0.3), made of the table of routes, so that it is true of all of them.
enum OpenAPI {
  /// - Parameters:
  ///   - classes: The model's classes.
  ///   - isPublic: Whether requests need no key.
  static func document(_ routes: Routes, classes: [String], isPublic: Bool) -> JSONObject {
    var paths = JSONObject()
    for route in routes.all {
      var item = JSONObject()
      for method in route.methods {
        item[method.lowercased()] = .object(operation(method, route, classes, isPublic: isPublic))
      }
      paths[route.path] = .object(item)
    }
    return [
      "openapi": "3.0.3",
      "info": [
        "title": "gx-serve", "version": .string(gxVersion),
        "description": "Classifies pictures of galaxies by their morphology.",
      ],
      "servers": [["url": "/"]],
      "paths": .object(paths),
      "components": [
        "securitySchemes": ["key": ["type": "http", "scheme": "bearer"]],
        "schemas": .object(schemas(classes)),
        "headers": .object(headers),
      ],
    ]
  }

  private static func operation(_ method: String, _ route: Route, _ classes: [String], isPublic: Bool) -> JSONObject {
    var operation = JSONObject()
    if method == "OPTIONS" {
      operation["summary"] = "What this path takes; the answer to a browser's preflight"
      operation["security"] = []
      operation["responses"] = ["200": ["description": "The methods, as headers"]]
      return withStatuses([], operation)
    }
    operation["summary"] = .string(route.summary)
    operation["security"] = route.scope == nil ? [] : isPublic ? [[:], ["key": []]] : [["key": []]]
    if let scope = route.scope {
      operation["description"] = .string("Needs a key with the scope `\(scope.rawValue)`, unless the server is public.")
    }
    if case .explain = route.action { operation["parameters"] = [classParameter(classes)] }
    if let body = requestBody(route) { operation["requestBody"] = .object(body) }
    operation["responses"] = ["200": success(route, hasContent: method != "HEAD")]
    return withStatuses(route.statuses.filter { $0 != 200 }, operation, hasContent: method != "HEAD")
  }

  /// What every request can meet: an unfit line or header, which libmicrohttpd answers by itself in its own words.
  private static let general: [(status: Int, text: String)] = [
    (400, "The request is no HTTP, or cannot be read"), (405, "The path takes other methods; see Allow"),
    (408, "The request did not come in time"), (413, "The body is too large"), (414, "The request's line is too long"),
    (431, "The request's headers are too large"),
  ]

  private static func withStatuses(_ statuses: [Int], _ operation: JSONObject, hasContent: Bool = true) -> JSONObject {
    var operation = operation
    var responses = operation["responses"]?.objectValue ?? [:]
    for status in Set(statuses + general.map(\.status)).sorted() {
      let text = general.first { $0.status == status }?.text ?? Response.reason(status)
      var response: JSONObject = ["description": .string(text)]
      let isOurs = statuses.contains(status) || [400, 405, 408, 413].contains(status)
      if isOurs && hasContent {
        var content: JSONObject = ["application/json": ["schema": ["$ref": "#/components/schemas/Error"]]]
        if status == 400 || status == 413 { content["text/html"] = ["schema": ["type": "string"]] }
        response["content"] = .object(content)
      }
      let names =
        switch status {
        case 401, 403: ["WWW-Authenticate"]
        case 405: ["Allow"]
        case 429: ["Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]
        case 503: ["Retry-After"]
        default: [String]()
        }
      if !names.isEmpty {
        var headers = JSONObject()
        for name in names { headers[name] = ["$ref": .string("#/components/headers/\(name)")] }
        response["headers"] = .object(headers)
      }
      responses[String(status)] = .object(response)
    }
    operation["responses"] = .object(responses)
    return operation
  }

  private static let headers: JSONObject = [
    "WWW-Authenticate": ["schema": ["type": "string"]], "Allow": ["schema": ["type": "string"]],
    "Retry-After": ["description": "Seconds", "schema": ["type": "integer", "minimum": 0]],
    "X-RateLimit-Limit": ["description": "Requests a minute", "schema": ["type": "integer"]],
    "X-RateLimit-Remaining": ["description": "Requests that may come at once", "schema": ["type": "integer"]],
    "X-RateLimit-Reset": ["description": "Seconds until all may come again", "schema": ["type": "integer"]],
  ]

  private static func classParameter(_ classes: [String]) -> JSON {
    [
      "name": "class", "in": "query", "required": false,
      "schema": ["type": "string", "enum": .array(classes.map(JSON.string))],
      "description": "The class to explain; where it is not given, the one that was predicted.",
    ]
  }

  private static func requestBody(_ route: Route) -> JSONObject? {
    let binary: JSON = ["type": "string", "format": "binary"]
    let form: JSON = [
      "type": "object", "properties": [.init(PictureReader.field): binary], "required": [.string(PictureReader.field)],
    ]
    switch route.action {
    case .classify, .explain:
      var content: JSONObject = ["multipart/form-data": ["schema": form]]
      for codec in PictureCodec.all { content[codec.mediaTypes[0]] = ["schema": binary] }
      content["application/octet-stream"] = ["schema": binary]
      return ["required": true, "content": .object(content)]
    case .batch:
      let files: JSON = [
        "type": "object", "properties": ["images": ["type": "array", "items": binary, "minItems": 1]],
        "required": ["images"],
      ]
      return [
        "required": true,
        "content": ["multipart/form-data": ["schema": files], "application/x-tar": ["schema": binary]],
      ]
    default: return nil
    }
  }

  private static func success(_ route: Route, hasContent: Bool) -> JSON {
    func reference(_ name: String) -> JSON { ["schema": ["$ref": .string("#/components/schemas/\(name)")]] }
    let content: JSONObject =
      switch route.action {
      case .classify: ["application/json": reference("Classification")]
      case .batch: ["application/x-ndjson": reference("Row")]
      case .explain:
        [
          "application/json": reference("Explanation"),
          "image/png": ["schema": ["type": "string", "format": "binary"]],
        ]
      case .health: ["application/json": reference("Health")]
      case .info: ["application/json": reference("Info")]
      case .openAPI: ["application/json": ["schema": ["type": "object"]]]
      case .metrics: ["text/plain": ["schema": ["type": "string"]]]
      case .file(let file):
        JSONObject(
          dictionaryLiteral: (
            String(file.type.prefix { $0 != ";" }), ["schema": ["type": "string", "format": "binary"]]
          ))
      }
    var response: JSONObject = ["description": .string(route.summary)]
    if hasContent { response["content"] = .object(content) }
    return .object(response)
  }

  private static func schemas(_ classes: [String]) -> JSONObject {
    let name: JSON = ["type": "string", "enum": .array(classes.map(JSON.string))]
    let text: JSON = ["type": "string"]
    let probability: JSON = ["type": "number", "minimum": 0, "maximum": 1]
    let percentage: JSON = ["type": "string", "pattern": "^[0-9]{1,3}\\.[0-9]{2}%$"]
    func object(_ properties: [(String, JSON)], optional: Set<String> = []) -> JSON {
      var fields = JSONObject()
      for (name, schema) in properties { fields[name] = schema }
      return [
        "type": "object", "properties": .object(fields), "additionalProperties": false,
        "required": .array(properties.map(\.0).filter { !optional.contains($0) }.map(JSON.string)),
      ]
    }
    func list(_ items: JSON) -> JSON { ["type": "array", "items": items] }
    let info = object([("description", text), ("examples", list(text))])
    let prediction = object([("class", name), ("probability", probability), ("percentage", percentage)])
    let predicted: [(String, JSON)] = [
      ("success", ["type": "boolean"]), ("galaxy_type", name), ("confidence", probability),
      ("confidence_percentage", percentage), ("all_predictions", list(prediction)),
    ]
    // Of a calibrated model alone.
    let doubts: [(String, JSON)] = [
      (
        "set",
        [
          "type": "array", "items": name,
          "description": "The classes that may be the truth, the likeliest first, where the model promises a coverage",
        ]
      ),
      (
        "uncertain",
        [
          "type": "boolean",
          "description": "Whether the confidence is too low for the precision that the model was calibrated for",
        ]
      ),
    ]
    let extent = object(
      ["width", "height", "left", "top"].map { ($0, ["type": "number"]) }, optional: ["left", "top"])
    let rowFields = [("id", text)] + predicted + doubts + [("error", text), ("message", text)]
    return [
      "Error": object([("error", text), ("message", text)]),
      "Classification": object(
        predicted + doubts + [("galaxy_info", info), ("timestamp", ["type": "string", "format": "date-time"])],
        optional: Set(doubts.map(\.0))),
      "Row": object(rowFields, optional: Set(rowFields.map(\.0)).subtracting(["id", "success"])),
      "Explanation": object([
        ("success", ["type": "boolean"]), ("galaxy_type", name), ("confidence", probability), ("explained_class", name),
        ("method", text), ("layer", text),
        (
          "map",
          object([
            ("height", ["type": "integer"]), ("width", ["type": "integer"]), ("values", list(list(probability))),
            ("extent", extent),
          ])
        ),
      ]),
      "Health": object([("status", text), ("model_loaded", ["type": "boolean"]), ("version", text)]),
      "Info": object([
        ("classes", list(name)), ("num_classes", ["type": "integer"]), ("input_size", list(["type": "integer"])),
        ("galaxy_types", ["type": "object", "additionalProperties": info]),
      ]),
    ]
  }
}
