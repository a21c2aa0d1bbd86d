import Testing

@testable import GXCommand

@Suite struct SplitTests {
  @Test func positions() throws {
    let shares = try #require(SplitShares("70:15:15"))
    #expect(
      [0, 0.699, 0.701, 0.849, 0.851, 0.999].map(shares.name) == ["train", "train", "val", "val", "test", "test"])
    let two = try #require(SplitShares("4:1"))
    #expect([0, 0.79, 0.81].map(two.name) == ["train", "train", "val"])
    let none = try #require(SplitShares("0.5:0:0.5"))
    #expect([0.49, 0.51].map(none.name) == ["train", "test"])
    // Behind the last share because of rounding, yet never a share of nothing.
    #expect(SplitShares("0.1:0.2:0")?.name(at: 0.9999999999999999) == "val")
  }

  @Test func everyPrefixHasTheShares() throws {
    let shares = try #require(SplitShares("70:15:15"))
    var counts: [String: Int] = [:]
    for index in 0..<5000 {
      counts[shares.name(ofIndex: index), default: 0] += 1
      for (name, share) in [("train", 0.7), ("val", 0.15), ("test", 0.15)] {
        #expect(abs(Double(counts[name] ?? 0) - share * Double(index + 1)) < 3)
      }
    }
  }

  @Test(arguments: ["", "70", "a:b", "1:2:3:4", "0:0", "-1:2", "inf:1", "nan:1", "1::2"])
  func refusals(_ text: String) { #expect(SplitShares(text) == nil) }
}
