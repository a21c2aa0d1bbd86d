// swift-tools-version: 6.1
import PackageDescription

// One library a room; one executable a command. A library imports only what stands above it here.
let libraries: [(name: String, uses: [String])] = [
  ("GXCore", []),
  ("GXStream", ["GXCore", "CSystem"]),
  ("GXCommand", ["GXCore", "GXStream", "CSystem"]),
  ("GXImage", ["GXCore", "CCodecs"]),
  ("GXSynth", ["GXCore"]),
  ("GXMetrics", ["GXCore", "GXStream"]),
  ("GXTerminal", ["GXCore", "GXImage", "CSixel", "CSystem"]),
  ("GXPlot", ["GXCore", "GXImage", "GXMetrics", "GXTerminal", "CCairo"]),
  ("GXGraph", ["GXCore"]),
  ("GXModel", ["GXCore", "GXStream", "GXImage", "GXMetrics", "GXGraph"]),
  ("GXNet", ["GXCore", "GXGraph", "CDNNL", "CKernels"]),
  ("GXInfer", ["GXCore", "GXStream", "GXImage", "GXMetrics", "GXGraph", "GXModel", "GXNet"]),
  ("GXTrain", ["GXCore", "GXStream", "GXImage", "GXMetrics", "GXGraph", "GXModel", "GXNet", "GXInfer", "CSystem"]),
  ("GXReport", ["GXCore", "GXStream", "GXImage", "GXMetrics", "GXPlot", "GXModel", "GXInfer"]),
  ("GXBox", ["GXCore", "GXStream", "GXModel", "CModel"]),
  (
    "GXServe",
    [
      "GXCore", "GXStream", "GXImage", "GXSynth", "GXModel", "GXInfer", "CPage", "CMicroHTTPD", "CGnuTLS", "CSystem",
    ]
  ),
]

let commands: [(name: String, uses: [String])] = [
  ("gx-list", ["GXImage"]),
  ("gx-decode", ["GXImage"]),
  ("gx-resize", ["GXImage"]),
  ("gx-crop", ["GXImage"]),
  ("gx-denoise", ["GXImage"]),
  ("gx-normalize", ["GXImage"]),
  ("gx-augment", ["GXImage"]),
  ("gx-shuffle", []),
  ("gx-cat", []),
  ("gx-synth", ["GXImage", "GXSynth"]),
  ("gx-train", ["GXImage", "GXMetrics", "GXGraph", "GXModel", "GXNet", "GXInfer", "GXTrain"]),
  ("gx-infer", ["GXModel", "GXInfer", "GXBox"]),
  ("gx-calibrate", ["GXMetrics", "GXModel"]),
  ("gx-explain", ["GXImage", "GXModel", "GXNet", "GXInfer", "GXBox"]),
  ("gx-model", ["GXModel", "GXBox"]),
  ("gx-eval", ["GXMetrics"]),
  ("gx-report", ["GXMetrics", "GXPlot", "GXModel", "GXInfer", "GXReport", "GXBox"]),
  ("gx-plot", ["GXMetrics", "GXPlot", "GXTerminal"]),
  ("gx-view", ["GXImage", "GXMetrics", "GXPlot", "GXTerminal"]),
  ("gx-serve", ["GXModel", "GXInfer", "GXBox", "GXServe"]),
]

// Libraries whose tests read files from Tests/<library>Tests/Fixtures.
let withFixtures: Set = ["GXStream", "GXImage", "GXMetrics", "GXNet", "GXTrain"]

// What tests use besides their own library's.
let testsAlsoUse = [
  "GXBox": ["GXImage", "GXInfer", "GXNet", "GXSynth"], "GXInfer": ["GXSynth"], "GXModel": ["GXNet"],
  "GXNet": ["GXImage"],
]

func dependencies(_ names: [String]) -> [Target.Dependency] { names.map { .init(stringLiteral: $0) } }

let package = Package(
  name: "gx",
  products: commands.map { .executable(name: $0.name, targets: [$0.name]) },
  dependencies: [],
  targets: [
    .systemLibrary(name: "CSystem"),
    .systemLibrary(name: "CCodecs"),
    .systemLibrary(name: "CCairo", pkgConfig: "cairo"),
    .systemLibrary(name: "CSixel"),
    .systemLibrary(name: "CDNNL"),
    .systemLibrary(name: "CMicroHTTPD", pkgConfig: "libmicrohttpd"),
    .systemLibrary(name: "CGnuTLS", pkgConfig: "gnutls"),
    .target(name: "CModel", exclude: ["galaxy.safetensors"]),
    .target(name: "CPage", exclude: ["page"]),
    // Compiled for speed in debug builds too, where tests would crawl otherwise.
    .target(name: "CKernels", cSettings: [.unsafeFlags(["-O3"])]),
  ]
    + libraries.map { .target(name: $0.name, dependencies: dependencies($0.uses)) }
    + commands.map {
      .executableTarget(
        name: $0.name, dependencies: dependencies(["GXCore", "GXStream", "GXCommand"] + $0.uses))
    }
    + [
      // For scripts/bench alone: a command of no pipe.
      .executableTarget(
        name: "engine-bench",
        dependencies: dependencies(["GXCore", "GXStream", "GXCommand", "GXGraph", "GXNet", "GXTrain"]))
    ]
    + libraries.map {
      .testTarget(
        name: $0.name + "Tests",
        dependencies: dependencies(
          [$0.name, "TestSupport"] + $0.uses.filter { $0.hasPrefix("GX") } + testsAlsoUse[$0.name, default: []]),
        exclude: withFixtures.contains($0.name) ? ["Fixtures"] : [])
    }
    + [
      .target(
        name: "TestSupport", dependencies: dependencies(["GXCore", "GXStream", "GXGraph"]), path: "Tests/TestSupport"),
      .testTarget(name: "CommandTests", dependencies: dependencies(["GXCore", "GXStream", "CGnuTLS"])),
    ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c2x
)
