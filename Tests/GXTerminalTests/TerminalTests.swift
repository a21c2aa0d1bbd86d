import GXCore
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

@Suite struct GraphicsTests {
  private func method(_ answer: String) -> GraphicsMethod { Terminal.method(answer: Array(answer.utf8)) }

  @Test func areWhatTheTerminalAnswers() {
    #expect(method("\u{1b}_Gi=31;OK\u{1b}\\\u{1b}[?62;c") == .kitty)
    #expect(method("\u{1b}[?62;4;6;22c") == .sixel)
    #expect(method("\u{1b}[?64;1;2;22c") == .blocks)
    #expect(method("\u{1b}[?4;1c") == .blocks)  // 4 is the terminal's class here
    #expect(method("\u{1b}_Gi=31;EINVAL:no\u{1b}\\\u{1b}[?1;2c") == .blocks)
    #expect(method("") == .blocks)
    #expect(method("garbage 4;4c") == .blocks)
  }

  @Test func blocksHoldTwoPixelsEach() throws {
    let picture = try Tensor(.u8, [3, 2, 3]) { out in for i in 0..<out.count { out[i] = UInt8(i) } }
    let lines = TerminalPicture.blocks(picture, .full)
    #expect(
      lines == [
        "\u{1b}[38;2;0;1;2;48;2;6;7;8m▀\u{1b}[38;2;3;4;5;48;2;9;10;11m▀\u{1b}[0m",
        "\u{1b}[38;2;12;13;14;49m▀\u{1b}[38;2;15;16;17;49m▀\u{1b}[0m",
      ])
  }

  @Test func sixelsBeginAndEndAsTheyMust() throws {
    let picture = try Tensor(.u8, [20, 30, 3]) { out in for i in 0..<out.count { out[i] = UInt8(i % 256) } }
    let text = String(decoding: try TerminalPicture.sixel(picture), as: UTF8.self)
    #expect(text.hasPrefix("\u{1b}P") && text.hasSuffix("\u{1b}\\\n") && text.contains("\"1;1;30;20"))
  }
}
