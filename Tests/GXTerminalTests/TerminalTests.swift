import Testing

@testable import GXTerminal

@Suite struct ColorDepthTests {
  private func depth(_ environment: [String: String]) -> ColorDepth { ColorDepth { environment[$0] } }

  @Test func isWhatTheEnvironmentTells() {
    #expect(depth([:]) == .none)
    #expect(depth(["TERM": "dumb", "COLORTERM": "truecolor"]) == .none)
    #expect(depth(["TERM": "xterm-256color"]) == .indexed)
    #expect(depth(["TERM": "xterm-256color", "COLORTERM": "truecolor"]) == .full)
    #expect(depth(["TERM": "xterm-kitty"]) == .full)
    #expect(depth(["TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"]) == .none)
  }

  @Test func coloursAreXtermsNearest() {
    #expect(ColorDepth.indexed.parameters(red: 255, green: 0, blue: 0, background: false) == "38;5;196")
    #expect(ColorDepth.indexed.parameters(red: 95, green: 135, blue: 175, background: true) == "48;5;67")
    #expect(ColorDepth.indexed.parameters(red: 128, green: 128, blue: 128, background: false) == "38;5;244")
    #expect(ColorDepth.full.parameters(red: 1, green: 2, blue: 3, background: true) == "48;2;1;2;3")
  }
}
