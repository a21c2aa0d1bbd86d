// engine-bench: measures a network on one batch of random pixels, as scripts/bench/engine asks it to. Not a command
// of gx: it is built with them and stays in the build folder.
//
// stdin: a line for each round, the least seconds that it is to take. stdout: a JSON line when ready, and one a round.

import GXCommand
import GXCore
import GXGraph
import GXNet
import GXStream
import GXTrain

let command = Command(
  "engine-bench", "measure a network on random pixels",
  synopsis: "train|infer ARCH SIZE BATCH < ROUNDS > TIMES",
  about: """
    Training is forward, backward and Adam in f32; inference is forward. Each line of stdin, a number of seconds, asks
    for a round of at least that long; its mean time a step is answered with a JSON line.
    """,
  options: [
    Option("compute", nil, "TYPE", "f32 or bf16 [f32]"),
    .jobs.saying("threads [all cores]"),
    .profile,
  ],
  examples: ["yes 1 | head -n 5 | engine-bench train resnet18 160 16 --profile"])

command.main { arguments in
  guard arguments.operands.count == 4, let size = Int(arguments.operands[2]), let batch = Int(arguments.operands[3]),
    ["train", "infer"].contains(arguments.operands[0])
  else { throw UsageError("wants train|infer ARCH SIZE BATCH") }
  let graph = try Architecture.named(arguments.operands[1], input: [size, size, 3], classes: 4)
  let network = try Network(
    graph: graph, batch: batch, training: arguments.operands[0] == "train",
    precision: try arguments.choice("compute", Precision.self) ?? .f32,
    threads: try arguments[Option.jobs])
  var random = Random(seed: 0)
  try network.initialize(random: &random)
  for i in network.input.indices { network.input[i] = Float(random.uniform()) }
  let work = Work(network, random: &random)
  let writer = NDJSONWriter(ByteSink(immediate: true))

  for _ in 0..<2 { try work.step() }
  if arguments.has("profile") { network.startProfile() }
  try writer.write(["ready": .bool(true), "threads": .int(network.threads)])
  while let line = readLine() {
    guard let least = Double(line) else { throw GXError("'\(line)' is no number of seconds") }
    let start = now()
    var steps = 0
    repeat {
      try work.step()
      steps += 1
    } while now() - start < least
    try writer.write(["seconds": .double((now() - start) / Double(steps)), "steps": .int(steps)])
  }
  if let profile = network.profile { Log.table(profile.table()) }
  return .done
}

/// What is measured: what Trainer does in a step, or Classifier for a picture.
final class Work {
  private let network: Network
  private let optimizer: Optimizer
  private let targets: UnsafeMutableBufferPointer<Float>
  private let errors: UnsafeMutableBufferPointer<Float>

  init(_ network: Network, random: inout Random) {
    self.network = network
    optimizer = Optimizer(UpdateRule(named: "adam")!, parameters: network.parameters)
    let classes = network.graph.output[0]
    targets = .allocate(capacity: network.batch * classes)
    errors = .allocate(capacity: network.batch * classes)
    targets.initialize(repeating: 0)
    for row in 0..<network.batch { targets[row * classes + row % classes] = 1 }
  }

  func step() throws {
    let logits = try network.forward(seed: 1)
    guard network.training else { return }
    _ = Loss.crossEntropy(
      logits, targets: UnsafeBufferPointer(targets), classes: network.graph.output[0], gradient: errors)
    try network.backward(UnsafeBufferPointer(errors))
    network.measure("optimizer") { optimizer.step(learningRate: 1e-3) }
  }
}
