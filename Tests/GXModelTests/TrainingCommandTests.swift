import GXCore
import GXGraph
import Testing

@testable import GXModel

@Suite struct TrainingCommandTests {
  private func command(_ arguments: JSONObject, ops: [JSON] = []) throws -> String? {
    var graph = try Graph(input: [1, 1, 1])
    try graph.add("logits", .linear(features: 2))
    var random = Random(seed: 1)
    return Model(
      graph: graph, classes: ["a", "b"], input: [1, 1, 1], ops: ops, training: ["arguments": .object(arguments)],
      weights: try graph.initialWeights(random: &random)
    ).trainingCommand
  }

  /// Nothing is known of what an option means.
  @Test func whatIsThereIsPrinted() throws {
    let told = try command([
      "augment": "none", "one": 0.5, "two": "it's", "flag": true, "none": .null, "file": ["digest": "0123"],
    ])
    #expect(
      told
        == "gx-train --augment none --one 0.5 --two 'it'\\''s' --flag --file FILE-OF-DIGEST-0123 --output MODEL < STREAM"
    )
  }

  /// As models were written before options told how they are written.
  @Test func theFirstModelsAreUnderstood() throws {
    let told = try command([
      "arch": "seed", "optimizer": "sgd", "nesterov": true, "clip": .null, "ema": .null, "augment": .null,
      "best": .null,
      "patience": .null, "precision": "f32", "weights": "00ff", "distill": "11ff",
    ])
    #expect(
      told == "gx-train --arch seed --optimizer sgd --nesterov --ema 0 --augment none --hold-out 0 --patience 0 "
        + "--compute f32 --weights FILE-OF-DIGEST-00ff --distill FILE-OF-DIGEST-11ff --output MODEL < STREAM")
    let cropped = try command(
      [
        "augment": ["op": "augment", "random": true, "rotate": "right", "flip": "", "zoom": [1, 2]], "nesterov": false,
      ],
      ops: [["op": "crop", "width": 8, "height": 9]])
    #expect(cropped == "gx-train --augment rotate=right,zoom=1:2,crop=8x9 --output MODEL < STREAM")
  }
}
