import Foundation
import Testing

/// What clients send that say less than they could, and by which names they are answered.
@Suite struct ServeIntake {
  let galaxies = Galaxies.shared
  let server: ServeProcess

  init() throws { server = try ServeProcess("--public", "--max-body", "1", "--max-batch", "2") }

  var picture: Data { galaxies.pictures[0] }

  func post(_ headers: [String: String], _ body: Data?, to target: String = "/api/classify") throws -> Answer {
    try server.ask("POST", target, headers, body: body)
  }

  /// A form of parts whose headers are given whole.
  func form(_ parts: [(headers: [String], content: Data)]) -> (type: [String: String], body: Data) {
    var body = Data()
    for part in parts {
      body += Data(("--X\r\n" + part.headers.map { $0 + "\r\n" }.joined() + "\r\n").utf8)
      body += part.content + Data("\r\n".utf8)
    }
    return (["Content-Type": "multipart/form-data; boundary=X"], body + Data("--X--\r\n".utf8))
  }

  func disposition(_ parameters: String) -> String { "Content-Disposition: form-data; \(parameters)" }

  // MARK: Bodies

  /// curl --data-binary says that it is a form, and other programs say nothing.
  @Test(arguments: ["/api/classify", "/api/explain"]) func aBodyThatBeginsLikeAPictureIsOne(_ target: String) throws {
    for headers in [["Content-Type": "application/x-www-form-urlencoded"], [:], ["Content-Type": ""]] {
      #expect(try post(headers, picture, to: target).status == 200, "\(headers)")
      let text = try post(headers, Data("image=@a.png".utf8), to: target)
      #expect(text.status == 400 && text.error == "No image provided", "\(text.text)")
      #expect(text.text.contains("Content-Type: image/"), "what to send is named: \(text.text)")
    }
    let octets = try post(["Content-Type": "application/octet-stream"], picture, to: target)
    #expect(octets.status == 200)
  }

  @Test func aTypeThatIsNotTakenIsToldWhatIs() throws {
    for type in ["application/json", "text/plain", "application/x-tar", "multipart/mixed; boundary=X"] {
      let answer = try post(["Content-Type": type], picture)
      #expect(answer.status == 415 && answer.error == "Unsupported Media Type")
      for word in ["multipart/form-data", "image/jpeg", "image/png", "application/octet-stream", "not '"] {
        #expect(answer.text.contains(word), "\(type): \(answer.text)")
      }
    }
    let batch = try post(["Content-Type": "image/png"], picture, to: "/api/classify/batch")
    #expect(batch.status == 415 && batch.text.contains("application/x-tar") && batch.text.contains("'image/png'"))
  }

  /// What is packed is not taken for a broken picture.
  @Test func contentEncodingsAreRefused() throws {
    for target in ["/api/classify", "/api/explain", "/api/classify/batch"] {
      for coding in ["gzip", "br", "identity, gzip", "GZIP"] {
        let answer = try post(["Content-Type": "image/png", "Content-Encoding": coding], picture, to: target)
        #expect(answer.status == 415 && answer.text.contains("Content-Encoding"), "\(coding): \(answer.text)")
        #expect(answer.headers["accept-encoding"] == "identity")
      }
    }
    for coding in ["identity", ""] {
      #expect(try post(["Content-Type": "image/png", "Content-Encoding": coding], picture).status == 200)
    }
  }

  /// A tar by curl's default type, too.
  @Test func aTarByAnyDefaultTypeIsOne() throws {
    let tar = try Run.shell("tar c pictures", in: galaxies.scratch.url).stdout
    for headers in [
      ["Content-Type": "application/x-www-form-urlencoded"], [:], ["Content-Type": "application/octet-stream"],
    ] {
      let answer = try post(headers, tar, to: "/api/classify/batch")
      #expect(answer.status == 200 && answer.rows.count == 8, "\(answer.text)")
      #expect(try post(headers, picture, to: "/api/classify/batch").status == 400)
    }
  }

  // MARK: Forms

  /// RFC 7578 leaves the filename to the client.
  @Test func aPartWithoutFilenameMayBeThePicture() throws {
    for headers in [
      [disposition("name=\"image\""), "Content-Type: image/png"], [disposition("name=\"image\"")],
      [disposition("name=image"), "content-type: application/octet-stream"],
      ["Content-Type: IMAGE/PNG; x=y", disposition("name=\"image\"; filename=\"\"")],
    ] {
      let (type, body) = form([([disposition("name=\"note\"")], Data("x".utf8)), (headers, picture)])
      #expect(try post(type, body).status == 200, "\(headers)")
      let explained = try post(type, body, to: "/api/explain")
      #expect(explained.status == 200)
    }
    var (type, body) = form([([disposition("name=\"image\"")], Data("M31".utf8))])
    let text = try post(type, body)
    #expect(text.status == 400 && text.error == "No image provided" && text.text.contains("filename"), "\(text.text)")
    (type, body) = form([([disposition("name=\"image\""), "Content-Type: image/png"], Data("x".utf8))])
    let broken = try post(type, body)
    #expect(broken.status == 400 && broken.error == "Invalid image", "\(broken.text)")
  }

  @Test func twoPicturesInOneFieldAreTooMany() throws {
    let part = ([disposition("name=\"image\"; filename=\"a.png\"")], picture)
    var (type, body) = form([part, part])
    let answer = try post(type, body)
    #expect(answer.status == 400 && answer.text.contains("One picture is wanted"), "\(answer.text)")
    #expect(answer.text.contains("/api/classify/batch"))
    // A second input of the page's form where nothing was chosen is no second picture; nor is a text.
    (type, body) = form([
      ([disposition("name=\"image\"; filename=\"\""), "Content-Type: application/octet-stream"], Data()), part,
      ([disposition("name=\"image\"")], Data("M31".utf8)),
    ])
    #expect(try post(type, body).status == 200)
  }

  @Test func noPictureOfABatchIsLost() throws {
    let (type, body) = form([
      ([disposition("name=\"f\"; filename=\"a.png\"")], picture),
      ([disposition("name=\"M31\""), "Content-Type: image/png"], picture), ([disposition("name=\"f\"")], picture),
      ([], picture), ([disposition("name=\"survey\"")], Data("SDSS DR8, a note".utf8)),
      ([disposition("name=\"long\"")], Data(String(repeating: "note ", count: 4000).utf8)),
      ([disposition("name=\"f\""), "Content-Type: image/png"], Data("x".utf8)),
      ([disposition("name=\"f\"")], Data("GIF89a".utf8) + Data([1, 0, 1, 0, 0x80, 0, 0])),
      ([disposition("name=\"f\"; filename=\"a.png\"")], picture),
      ([disposition("name=\"f\"; filename=\"\""), "Content-Type: application/octet-stream"], Data()),
    ])
    let rows = try post(type, body, to: "/api/classify/batch").rows
    #expect(rows.map { $0["id"] as? String } == ["a.png", "M31", "f", "part 4", "f", "f", "a.png"], "\(rows)")
    #expect(rows.map { $0["success"] as? Bool } == [true, true, true, true, false, false, true])
    #expect(rows.filter { $0["success"] as? Bool == false }.allSatisfy { ($0["message"] as? String)?.isEmpty == false })
  }

  // MARK: Names

  /// Names of classes are the model's, letter by letter, wherever they stand.
  @Test func classesKeepTheirNames() throws {
    let scratch = try Scratch()
    let names = ["CD", "cD", "dE", "dIrr"]
    for (i, name) in names.enumerated() {
      try FileManager.default.createDirectory(at: scratch / "p/\(name)", withIntermediateDirectories: true)
      try galaxies.pictures[i].write(to: scratch / "p/\(name)/\(i).png")
    }
    let made = try Run.shell(
      """
      set -e -o pipefail
      gx-list --class-per-folder p | gx-decode | gx-resize 16 | gx-normalize |
        gx-train -q -j 1 --epochs 1 --hold-out 0 -o m > log
      gx-decode p/dE/2.png | gx-infer -m m
      """, in: scratch.url)
    #expect(made.status == 0, "\(made.stderr)")
    let row = try #require(JSONSerialization.jsonObject(with: made.stdout) as? [String: Any])
    let predicted = try #require(row["prediction"] as? String)
    let server = try ServeProcess("-m", (scratch / "m").path, "--public", model: nil)
    let info = try server.ask("GET", "/api/info").json
    #expect(info["classes"] as? [String] == names)
    #expect((info["galaxy_types"] as? [String: Any]).map { $0.keys.sorted() } == names.sorted())
    let answer = try server.classify(galaxies.pictures[2]).json
    #expect(answer["galaxy_type"] as? String == predicted)
    #expect((answer["all_predictions"] as? [[String: Any]])?.compactMap { $0["class"] as? String }.sorted() == names)
    for name in names {
      let explained = try server.ask(
        "POST", "/api/explain?class=\(name)", ["Content-Type": "image/png"], body: galaxies.pictures[2]
      ).json
      #expect(explained["explained_class"] as? String == name && explained["galaxy_type"] as? String == predicted)
    }
    let unknown = try server.ask(
      "POST", "/api/explain?class=De", ["Content-Type": "image/png"], body: galaxies.pictures[2])
    #expect(unknown.status == 400 && unknown.text.contains("CD, cD, dE, dIrr"))
    #expect(try server.ask("GET", "/metrics").text.contains("gx_pictures_total{class=\"\(predicted)\"} 5"))
    #expect(try server.ask("GET", "/api/openapi.json").text.contains(#""enum":["CD","cD","dE","dIrr"]"#))
  }
}
