import GXCore
import Glibc

/// Memory of one array of a program. Where it lies is known once the program is sealed.
final class Buffer {
  let layout: Layout
  /// Keeps its contents between runs. The rest share memory with what is not needed at the same time.
  let isPinned: Bool
  private var own: UnsafeMutableRawPointer?

  // Set by Program.seal().
  fileprivate var base: Buffer?
  fileprivate var offset = 0
  fileprivate var used: ClosedRange<Int>?
  fileprivate var arena: UnsafeMutableRawPointer?

  private init(_ layout: Layout, pinned: Bool, viewing base: Buffer? = nil) {
    (self.layout, self.isPinned, self.base) = (layout, pinned, base)
  }

  convenience init(_ layout: Layout) { self.init(layout, pinned: false) }

  /// The same bytes seen as `layout`.
  convenience init(viewing base: Buffer, as layout: Layout) { self.init(layout, pinned: base.isPinned, viewing: base) }

  private static let hugePage = 1 << 21

  /// Memory of its own, zeros at first.
  static func pinned(_ layout: Layout) throws -> Buffer {
    let buffer = Buffer(layout, pinned: true)
    let byteCount = max(layout.byteCount, 1)
    let size = (byteCount + 63) & ~63
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, size < hugePage ? 64 : hugePage, size) == 0, let memory else {
      throw outOfMemory(byteCount)
    }
    // Weights that come from memory for each picture come faster from huge pages; one that is not full would waste it.
    if size >= hugePage { madvise(memory, size / hugePage * hugePage, MADV_HUGEPAGE) }
    memset(memory, 0, byteCount)
    buffer.own = memory
    return buffer
  }

  deinit { free(own) }

  var root: Buffer { base?.root ?? self }

  var address: UnsafeMutableRawPointer { root.own ?? root.arena! + root.offset }

  var floats: UnsafeMutableBufferPointer<Float> {
    let count = layout.byteCount / MemoryLayout<Float>.stride
    return UnsafeMutableBufferPointer(start: address.bindMemory(to: Float.self, capacity: count), count: count)
  }

  static func outOfMemory(_ byteCount: Int) -> GXError {
    GXError("network needs \(byteCount >> 20) MiB more memory than there is; a smaller batch needs less")
  }
}

/// Steps that run in order on buffers of one arena, in which those that are never needed at the same
/// time lie in the same place.
final class Program {
  private enum Work {
    case primitive(Primitive, [(argument: CInt, buffer: Buffer)])
    case function(name: String, flops: Double, (_ seed: UInt64) -> Void)
  }

  private struct Step {
    let work: Work
    let buffers: [Buffer]
    let node: String
    /// `into` may take the place of `from`, if nothing reads `from` afterwards.
    var inPlace: (from: Buffer, into: Buffer)?
    var isCopy = false
    var call: Primitive.Call?
  }

  /// The most memory for activations and their gradients, in bytes.
  static let arenaLimit = 1 << 36

  private var steps: [Step] = []
  private var arena: UnsafeMutableRawPointer?
  private(set) var arenaBytes = 0

  deinit { if let arena { munmap(arena, arenaBytes) } }

  /// The node that steps are added for, for the profile.
  var node = ""
  /// Where time goes, if anyone asked.
  private(set) var profile: Profile?

  /// How many steps there are so far.
  var count: Int { steps.count }

  func add(
    _ primitive: Primitive, _ arguments: [(argument: CInt, buffer: Buffer)],
    inPlace: (from: Buffer, into: Buffer)? = nil
  ) {
    steps.append(
      Step(work: .primitive(primitive, arguments), buffers: arguments.map(\.buffer), node: node, inPlace: inPlace))
  }

  /// A step in Swift, which touches these buffers only. `seed` is the run's.
  func add(
    _ name: String, _ buffers: [Buffer], inPlace: (from: Buffer, into: Buffer)? = nil, flops: Double = 0,
    _ function: @escaping (_ seed: UInt64) -> Void
  ) {
    steps.append(
      Step(work: .function(name: name, flops: flops, function), buffers: buffers, node: node, inPlace: inPlace))
  }

  /// A copy in another layout. Costs nothing if the layout is the same and `from` is not needed afterwards.
  func addCopy(from: Buffer, to: Buffer) throws {
    add(
      try Primitive.reorder(from: from.layout, to: to.layout), [(Argument.source, from), (Argument.destination, to)],
      inPlace: from.layout == to.layout ? (from, to) : nil)
    steps[steps.count - 1].isCopy = true
  }

  /// Lays the buffers out in memory and binds the primitives to it. Nothing can be added afterwards.
  func seal() throws {
    shareInPlace()
    let scratchpadOffset = placeBuffers()
    var scratchpadBytes = 0
    for case .primitive(let primitive, _) in steps.map(\.work) {
      scratchpadBytes = max(scratchpadBytes, primitive.layout(Argument.scratchpad).byteCount)
    }
    arenaBytes = max(scratchpadOffset + scratchpadBytes, 1)
    guard arenaBytes <= Self.arenaLimit else {
      throw GXError("network needs \(arenaBytes >> 20) MiB for a batch; the limit is \(Self.arenaLimit >> 20) MiB")
    }
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard let arena = mmap(nil, arenaBytes, PROT_READ | PROT_WRITE, flags, -1, 0), arena != MAP_FAILED else {
      throw Buffer.outOfMemory(arenaBytes)
    }
    madvise(arena, arenaBytes, MADV_HUGEPAGE)
    self.arena = arena
    for step in steps { for buffer in step.buffers { buffer.root.arena = arena } }

    for place in steps.indices {
      guard case .primitive(let primitive, var arguments) = steps[place].work else { continue }
      if steps[place].isCopy, arguments[0].buffer.address == arguments[1].buffer.address { continue }
      arguments.removeAll { primitive.layout($0.argument).byteCount == 0 }
      var addresses = arguments.map { (argument: $0.argument, address: $0.buffer.address) }
      addresses.append((Argument.scratchpad, arena + scratchpadOffset))
      steps[place].call = try primitive.call(addresses)
    }
  }

  func run(_ range: Range<Int>, seed: UInt64) throws {
    for place in range {
      let start = profile == nil ? 0 : now()
      if let call = steps[place].call {
        try call.run()
      } else if case .function(_, _, let function) = steps[place].work {
        function(seed)
      } else {
        continue
      }
      profile?.add(step: place, seconds: now() - start)
    }
  }

  /// Begins to measure every step.
  func startProfile(threads: Int) {
    profile = Profile(
      steps.map { step in
        switch step.work {
        case .primitive(let primitive, _):
          .init(node: step.node, step: primitive.kind, implementation: primitive.implementation, flops: primitive.flops)
        case .function(let name, let flops, _): .init(node: step.node, step: name, implementation: "gx", flops: flops)
        }
      }, threads: threads)
  }

  /// Runs `body`; where there is a profile, its time goes under `name`.
  func measure<R>(_ name: String, _ body: () throws -> R) rethrows -> R {
    guard profile != nil else { return try body() }
    let start = now()
    defer { profile!.add(name, seconds: now() - start) }
    return try body()
  }

  /// Finds when each buffer is used, and joins those that may take each other's place.
  private func shareInPlace() {
    for (place, step) in steps.enumerated() {
      for buffer in step.buffers.map(\.root) {
        buffer.used = (buffer.used?.lowerBound ?? place)...place
      }
    }
    for (place, step) in steps.enumerated() {
      guard let (from, into) = step.inPlace.map({ ($0.from.root, $0.into.root) }), from !== into else { continue }
      guard !from.isPinned, !into.isPinned, from.layout.byteCount == into.layout.byteCount else { continue }
      guard from.used!.upperBound == place, into.used!.lowerBound == place else { continue }
      from.used = from.used!.lowerBound...into.used!.upperBound
      into.base = from
    }
  }

  /// Gives every buffer an offset, the largest first, each the lowest that is free while it is used
  /// (the "greedy by size" of Pisarchyk & Lee 2020). Returns the end of them all.
  private func placeBuffers() -> Int {
    var placed: [Buffer] = []
    var seen = Set<ObjectIdentifier>()
    let roots = steps.flatMap(\.buffers).map(\.root).filter {
      !$0.isPinned && seen.insert(ObjectIdentifier($0)).inserted
    }
    var end = 0
    // The sort is made stable by time, so that the same graph always gets the same places.
    for buffer in roots.enumerated().sorted(by: {
      ($1.element.layout.byteCount, $0.offset) < ($0.element.layout.byteCount, $1.offset)
    }).map(\.element) {
      let size = Self.roundUp(buffer.layout.byteCount)
      for other in placed where other.used!.overlaps(buffer.used!) {  // sorted by offset
        if buffer.offset + size <= other.offset { break }
        buffer.offset = max(buffer.offset, other.offset + Self.roundUp(other.layout.byteCount))
      }
      end = max(end, buffer.offset + size)
      let index = placed.firstIndex { $0.offset > buffer.offset } ?? placed.endIndex
      placed.insert(buffer, at: index)
    }
    return end
  }

  /// To whole cache lines.
  private static func roundUp(_ byteCount: Int) -> Int { (byteCount + 63) & ~63 }
}
