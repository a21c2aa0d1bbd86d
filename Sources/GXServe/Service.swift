import GXCore
import GXInfer

/// What each route does.
final class Service: Application, Sendable {
  let access: Access
  let metrics = ServerMetrics()
  let model: Live<ServedModel>
  let commonHeaders: [(name: String, value: String)]
  private let settings: Settings
  private let routes: Routes
  private let log: AccessLog
  private let queue: ClassifyQueue
  private let archives: ClassifyQueue
  private let budget: Budget

  init(_ model: ServedModel, _ keys: KeyStore, _ settings: Settings, _ log: AccessLog, files: [StaticFile], isTLS: Bool)
  {
    self.model = Live(model)
    self.settings = settings
    self.log = log
    access = Access(settings, keys)
    routes = Routes(files: files)
    queue = ClassifyQueue(workers: settings.workers, limit: settings.queue)
    // Each holds up to two members of an archive, beside what the budget counts.
    archives = ClassifyQueue(workers: 4, limit: 4)
    budget = Budget(settings.uploadBytes)
    commonHeaders = Self.securityHeaders(isTLS: isTLS)
    watch()
  }

  private static func securityHeaders(isTLS: Bool) -> [(name: String, value: String)] {
    var headers = [
      (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
          + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
      ),
      ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer"),
      ("Cross-Origin-Opener-Policy", "same-origin"),
      ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
      // Any page may ask, as it might the original: there are no cookies that could be abused for it.
      ("Access-Control-Allow-Origin", "*"),
      (
        "Access-Control-Expose-Headers",
        "Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
      ),
    ]
    if isTLS { headers.append(("Strict-Transport-Security", "max-age=31536000")) }
    return headers
  }

  // MARK: Requests

  func begin(_ head: RequestHead, wake: @escaping @Sendable () -> Void) -> (Tag, Intake) {
    let client = Client.address(
      peer: head.peer, forwardedFor: head.values("x-forwarded-for"), trusted: settings.trustedProxies)
    var tag = Tag(client: client)
    if let fault = head.framingFault { return (tag, .refuse(.fault(400, fault, .badRequest))) }
    guard let route = routes[head.path] else {
      return (tag, .answer(.fault(404, "There is nothing at this path.", .notFound)))
    }
    tag.route = route.path
    if head.method == "OPTIONS" { return (tag, .answer(preflight(head, route))) }
    guard route.methods.contains(head.method) else {
      let allowed = route.methods.joined(separator: ", ")
      return (tag, .answer(.fault(405, "This path takes \(allowed).", .method, headers: [("Allow", allowed)])))
    }
    switch access.check(head, client: client, for: route) {
    case .refuse(let response, let key):
      tag.key = key
      return (tag, .answer(response))
    case .pass(let pass):
      tag.key = pass.key
      return (tag, intake(head, route, tag, pass.headers, wake))
    }
  }

  /// What flask-cors answers, so that pages of the original go on as they are.
  private func preflight(_ head: RequestHead, _ route: Route) -> Response {
    // Whatever headers a page wants to send, if they are names.
    let wanted = head.header("access-control-request-headers") ?? ""
    let isList =
      wanted.utf8.count <= 1024
      && wanted.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_, ".contains($0)) }
    let allowed = route.methods.joined(separator: ", ")
    return Response(
      200, type: "text/plain; charset=utf-8", .bytes([]),
      headers: [
        ("Allow", allowed), ("Access-Control-Allow-Methods", allowed),
        ("Access-Control-Allow-Headers", isList && !wanted.isEmpty ? wanted : "Accept, Authorization, Content-Type"),
        ("Access-Control-Max-Age", "600"),
      ])
  }

  private func intake(
    _ head: RequestHead, _ route: Route, _ tag: Tag, _ headers: [(name: String, value: String)],
    _ wake: @escaping @Sendable () -> Void
  ) -> Intake {
    let model = model.now
    let reception = Reception(settings: settings, budget: budget, queue: queue, headers: headers, wake: wake)
    switch route.action {
    case .classify:
      return picture(head, reception) { [self] file in
        classify(file, model).adding(headers)
      }
    case .batch: return batch(head, reception, tag, model)
    case .explain:
      let name = head.parameter("class")
      let wantsPicture = head.prefers("image/png", to: "application/json")
      return picture(head, reception) { [self] file in
        explain(file, class: name, asPicture: wantsPicture, model).adding(headers)
      }
    case .health:
      return .answer(.json(["status": "healthy", "model_loaded": true, "version": .string(gxVersion)]))
    case .info: return .answer(.json(info(model)).adding(headers))
    case .metrics:
      return .answer(
        Response(200, type: "text/plain; version=0.0.4; charset=utf-8", .bytes(Array(metrics.text.utf8)))
          .adding(headers))
    case .openAPI: return .answer(.json(OpenAPI.document(routes, classes: model.classes, isPublic: settings.isPublic)))
    case .file(let file): return .answer(Response(200, type: file.type, .bytes(file.bytes), maxAge: 300))
    }
  }

  private func picture(
    _ head: RequestHead, _ reception: Reception, _ work: @escaping @Sendable ([UInt8]) -> Response
  ) -> Intake {
    if let coding = head.contentCoding { return .answer(reception.packed(coding)) }
    do throws(GXError) {
      let source: PictureReader.Source
      switch head.mediaType {
      case "multipart/form-data": source = .form(try reception.form(head))
      // What curl and others say of any body where nobody tells them better.
      case "application/x-www-form-urlencoded", nil: source = .unknown
      case .some(let type):
        guard type.hasPrefix("image/") || type == "application/octet-stream" else {
          return .answer(reception.unsupported(head, Reception.ways))
        }
        source = .body
      }
      let reader = PictureReader(reception, source, work: work)
      if head.contentLength ?? 0 > reader.limit { return .answer(reception.tooLarge(reader.limit, "The body")) }
      return .read(reader)
    } catch {
      return .answer(reception.malformed(error))
    }
  }

  private func batch(_ head: RequestHead, _ reception: Reception, _ tag: Tag, _ model: ServedModel) -> Intake {
    let access = access
    let batch = BatchWork(
      reception: reception, work: { [self] id, file in row(id, file, model) },
      charge: { access.charge(tag.client, key: tag.key) })
    if let coding = head.contentCoding { return .answer(reception.packed(coding)) }
    if head.contentLength ?? 0 > settings.batchBytes {
      return .answer(reception.tooLarge(settings.batchBytes, "The body"))
    }
    do throws(GXError) {
      switch head.mediaType {
      case "multipart/form-data": return .read(FormBatchReader(batch, form: try reception.form(head)))
      // A tar, whatever its sender's program says of a body where nobody tells it better.
      case "application/x-tar", "application/octet-stream", "application/x-www-form-urlencoded", nil:
        return .read(ArchiveReader(batch, archives: archives))
      default:
        return .answer(
          reception.unsupported(
            head, "a form (Content-Type: multipart/form-data) or a tar archive (Content-Type: application/x-tar)"))
      }
    } catch {
      return .answer(reception.malformed(error))
    }
  }

  // MARK: Pictures

  private func classify(_ file: [UInt8], _ model: ServedModel) -> Response {
    do {
      let prediction = try model.classify(file, maxPixels: settings.pixels)
      metrics.count(picture: prediction.name)
      var object = prediction.answer
      object["galaxy_info"] = GalaxyTypes.info(prediction.name)
      object["timestamp"] = .string(timestamp())
      return .json(object)
    } catch {
      metrics.count(picture: nil)
      return .fault(400, error: "Invalid image", "\(error)", .badPicture)
    }
  }

  private func explain(_ file: [UInt8], class name: String?, asPicture: Bool, _ model: ServedModel) -> Response {
    do {
      let explanation = try model.explain(file, class: name, maxPixels: settings.pixels)
      metrics.count(picture: explanation.explanation.prediction.name)
      if asPicture { return Response(200, type: "image/png", .bytes(try explanation.overlay())) }
      return .json(explanation.answer)
    } catch ServedModel.Unexplained.model {
      return .fault(404, "This server's model has no layer that could be shown.", .notFound)
    } catch ServedModel.Unexplained.noClass {
      return .fault(
        400, "There is no such class; there are \(model.classes.joined(separator: ", ")).", .badRequest)
    } catch {
      metrics.count(picture: nil)
      return .fault(400, error: "Invalid image", "\(error)", .badPicture)
    }
  }

  private func row(_ id: String, _ file: [UInt8], _ model: ServedModel) -> JSONObject {
    do {
      let prediction = try model.classify(file, maxPixels: settings.pixels)
      metrics.count(picture: prediction.name)
      var object: JSONObject = ["id": .string(id)]
      object.merge(prediction.answer)
      return object
    } catch {
      metrics.count(picture: nil)
      return BatchWork.failure(id, error: "Invalid image", "\(error)")
    }
  }

  private func info(_ model: ServedModel) -> JSONObject {
    var types = JSONObject()
    for name in model.classes { types[name] = GalaxyTypes.info(name) }
    return [
      "classes": .array(model.classes.map(JSON.string)),
      "num_classes": .int(model.classes.count),
      "input_size": .array(model.inputSize.map(JSON.int)), "galaxy_types": .object(types),
    ]
  }

  // MARK: What is counted and told

  private func watch() {
    let (queue, budget, log) = (queue, budget, log)
    metrics.watch("gx_queue_depth", "Pictures that wait for a worker.") { queue.depth.waiting }
    metrics.watch("gx_working", "Workers at work.") { queue.depth.working }
    metrics.watch("gx_upload_bytes", "Memory that uploads hold.") { budget.inUse }
    metrics.watch("gx_access_log_dropped", "Lines of the access log that could not be written.") { log.dropped }
  }

  func turnedAway() { metrics.count(.connections) }

  func finished(_ outcome: Outcome) {
    let tag = outcome.tag
    if outcome.head == nil { metrics.count(outcome.rejection ?? .badRequest) }
    if outcome.head != nil, let status = outcome.status {
      metrics.count(route: tag.route, status: status, seconds: outcome.seconds, outcome.rejection)
    }
    log.add([
      "time": .string(timestamp()), "address": .string(tag.client.description),
      "method": outcome.head.map { .string($0.method) } ?? .null,
      "path": outcome.head.map { .string($0.path) } ?? .null,
      "status": outcome.status.map(JSON.int) ?? .null, "bytes_in": .int(outcome.bytesIn),
      "bytes_out": .int(outcome.bytesOut), "ms": .double((outcome.seconds * 1e5).rounded() / 100),
      "key": tag.key.map(JSON.string) ?? .null,
      "reason": outcome.rejection.map { .string($0.rawValue) } ?? .null,
    ])
  }
}

extension Response {
  fileprivate func adding(_ more: [(name: String, value: String)]) -> Response {
    var copy = self
    copy.headers += more
    return copy
  }
}
