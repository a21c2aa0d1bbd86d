import GXCore
import GXGraph

/// What each operation without weights adds to the program, forward and backward.
extension Compiler {
  func activate(_ place: Int, _ source: Int, _ activation: Activation) throws {
    let x = values[source]!
    let y = Buffer(x.layout)
    program.add(
      try Primitive.activation(activation, x.layout, training: reaches(source)),
      [(Argument.source, x), (Argument.destination, y)], inPlace: (x, y))
    set(place, y)
    if reaches(source) {
      tape.append { [unowned self] in
        contribute(
          try gradient(before: activation, result: activation.usesResult ? y : x, gradient(place)), to: source)
      }
    }
  }

  func pool(_ place: Int, _ source: Int, _ kind: Pool, _ window: Window) throws {
    let x = values[source]!
    let primitive = try Primitive.pool(
      kind, source: x.layout, destination: .any(sizes(place), x.layout.precision), window: window,
      training: reaches(source))
    let y = Buffer(primitive.layout(Argument.destination))
    let workspace = Buffer(primitive.layout(Argument.workspace))
    program.add(primitive, [(Argument.source, x), (Argument.destination, y), (Argument.workspace, workspace)])
    set(place, y)
    guard reaches(source) else { return }
    tape.append { [unowned self] in
      try poolGradient(
        kind, window, primitive, sizes(place), workspace, x.layout, gradient: gradient(place), to: source)
    }
  }

  private func poolGradient(
    _ kind: Pool, _ window: Window, _ forward: Primitive, _ result: [Int], _ workspace: Buffer, _ layout: Layout,
    gradient: Buffer, to source: Int
  ) throws {
    let backward = try Primitive.poolGradient(
      kind, source: layout, destination: .any(result, layout.precision), window: window, forward: forward)
    let dx = Buffer(layout)
    program.add(
      backward,
      [
        (Argument.destinationGradient, try reordered(gradient, to: backward.layout(Argument.destinationGradient))),
        (Argument.workspace, workspace), (Argument.sourceGradient, dx),
      ])
    contribute(dx, to: source)
  }

  func globalAveragePool(_ place: Int, _ source: Int) throws {
    let x = values[source]!
    let shape = graph.shape(of: source)
    let window = Window(kernel: Size(shape[0], shape[1]))
    let picture = sizes(place) + [1, 1]
    let primitive = try Primitive.pool(
      .average, source: x.layout, destination: .any(picture, x.layout.precision), window: window,
      training: reaches(source))
    let y = Buffer(primitive.layout(Argument.destination))
    program.add(primitive, [(Argument.source, x), (Argument.destination, y)])
    let plain = try Layout.plain(picture)
    set(place, Buffer(viewing: try reordered(y, to: plain), as: try .plain(sizes(place))))
    guard reaches(source) else { return }
    tape.append { [unowned self] in
      let dy = Buffer(viewing: try gradient(place), as: plain)
      try poolGradient(.average, window, primitive, picture, y, x.layout, gradient: dy, to: source)
    }
  }

  func add(_ place: Int, _ first: Int, _ second: Int) throws {
    let tail = tail(of: place)
    let a = values[first]!
    let b = try reordered(values[second]!, to: a.layout)
    let y = Buffer(a.layout)
    // oneDNN 2.6's addition with an activation is wrong in place where channels are padded.
    let inPlace = tail.activation != nil && a.layout.isPadded ? nil : (from: a, into: y)
    program.add(
      try Primitive.add(a.layout, post: PostOps(activation: tail.activation)),
      [(Argument.source, a), (Argument.source1, b), (Argument.destination, y)],
      inPlace: inPlace)
    finish(place, tail, y)
    guard reaches(first) || reaches(second) else { return }
    tape.append { [unowned self] in
      let dy = try gradient(before: tail.activation, result: y, gradient(tail.last))
      contribute(dy, to: first)
      contribute(dy, to: second)
    }
  }

  func multiply(_ place: Int, _ picture: Int, _ vector: Int) throws {
    let x = values[picture]!
    let plain = try Layout.plain(sizes(vector))
    let s = try reordered(values[vector]!, to: plain)
    // oneDNN 2.6 is 100 times as fast where there is but one sample, as which a batch in blocks can be seen.
    let (layout, each) = try x.layout.asOneSample ?? (x.layout, .plain(plain.sizes + [1, 1]))
    let factors = Buffer(viewing: s, as: each)
    let product = try Primitive.multiply(layout, by: each)
    func addProduct(of from: Buffer, to: Buffer, inPlace: Bool) {
      let (from, to) = (Buffer(viewing: from, as: layout), Buffer(viewing: to, as: layout))
      program.add(
        product, [(Argument.source, from), (Argument.source1, factors), (Argument.destination, to)],
        inPlace: inPlace ? (from, to) : nil)
    }
    let y = Buffer(x.layout)
    let passes = reaches(picture) || reaches(vector)
    addProduct(of: x, to: y, inPlace: !passes)
    set(place, y)
    guard passes else { return }
    tape.append { [unowned self] in
      let dy = try reordered(gradient(place), to: x.layout)
      if reaches(vector) {
        // By the vector: the sum over all places of dy * x, which is their mean times their number.
        let terms = Buffer(x.layout)
        program.add(
          try Primitive.multiply(x.layout, by: x.layout),
          [(Argument.source, dy), (Argument.source1, x), (Argument.destination, terms)])
        let size = Size(graph.shape(of: picture)[0], graph.shape(of: picture)[1])
        let sum = try Primitive.pool(
          .average, source: x.layout, destination: .any(plain.sizes + [1, 1], x.layout.precision),
          window: Window(kernel: size), training: false, post: PostOps(scale: Float(size.height * size.width)))
        let ds = Buffer(sum.layout(Argument.destination))
        program.add(sum, [(Argument.source, terms), (Argument.destination, ds)])
        contribute(Buffer(viewing: try reordered(ds, to: .plain(ds.layout.sizes)), as: plain), to: vector)
      }
      let dx = Buffer(x.layout)
      addProduct(of: dy, to: dx, inPlace: true)
      contribute(dx, to: picture)
    }
  }

  func dropout(_ place: Int, _ source: Int, rate: Double) throws {
    let given = values[source]!
    guard learns(place), rate > 0 else {
      set(place, given)
      if reaches(source) { tape.append { [unowned self] in contribute(try gradient(place), to: source) } }
      return
    }
    let mask = DropoutMask(rate: rate, node: place)
    let x = try reordered(given, to: given.layout.asF32)
    let y = Buffer(x.layout)
    program.add("dropout", [x, y], inPlace: (x, y)) { seed in mask.apply(seed: seed, x.floats, to: y.floats) }
    set(place, y)
    guard reaches(source) else { return }
    tape.append { [unowned self] in
      let dy = try reordered(gradient(place), to: x.layout)
      let dx = Buffer(x.layout)
      program.add("dropout by source", [dy, dx], inPlace: (dy, dx)) { seed in
        mask.apply(seed: seed, dy.floats, to: dx.floats)
      }
      contribute(dx, to: source)
    }
  }
}
