import GXCore
import Glibc

/// The four classes, in bytewise order of their names.
public enum GalaxyClass: String, CaseIterable, Sendable {
  case elliptical, irregular, lenticular, spiral
}

// A galaxy is described apart from any picture of it. Lengths are in widths of the frame, positions
// from its centre with x to the right and y down, angles in radians. Brightness is per area, in
// units of the isophote that bounds the galaxy in the r band, at about 25 mag/arcsec^2.

/// Light in the bands g, r, i, relative to r; the fourth lane stays 0.
typealias Bands = SIMD4<Float>

/// The light of a population of these SDSS colours, in magnitudes.
func bands(gr: Double, ri: Double) -> Bands { Bands(Float(pow(10, -0.4 * gr)), 1, Float(pow(10, 0.4 * ri)), 0) }

/// A Sérsic profile (Sérsic 1963) on concentric ellipses: ellipticals, bulges, far galaxies.
struct Sersic {
  var index: Double
  /// The major semi-axis that holds half of the light.
  var radius: Double
  var axisRatio: Double
  /// Of the major axis: from the top of the picture to the left, as astronomers measure it.
  var positionAngle: Double
  var center = SIMD2<Double>()
  /// At `radius`, in r.
  var brightness: Double
  var light: Bands
  /// Exponent of the ellipses less 2: above 0 boxy, below 0 disky.
  var boxiness = 0.0

  /// b(n), which makes `radius` hold half of the light (Ciotti & Bertin 1999, eq. 18).
  var b: Double {
    2 * index - 1 / 3.0 + 4 / (405 * index) + 46 / (25515 * index * index) + 131 / (1_148_175 * pow(index, 3))
  }

  /// The whole light in r of a profile of brightness 1 (Graham & Driver 2005, eq. 2).
  var unitFlux: Double {
    2 * .pi * index * radius * radius * axisRatio * exp(b) * pow(b, -2 * index) * tgamma(2 * index)
  }
}

/// An exponential disk, seen at an inclination, and what lives in its plane.
struct Disk {
  /// The length over which the light falls to 1/e.
  var scale: Double
  /// Minor over major axis, as seen, and the inclination that it comes from: 0 face-on.
  var axisRatio: Double
  var inclination = 0.0
  var positionAngle: Double
  var center = SIMD2<Double>()
  /// In the middle, in r.
  var brightness: Double
  var light: Bands
  /// Radius beyond which the light falls off four times as steeply.
  var truncation: Double
  /// How far the disk is stretched to one side: R becomes R (1 + lopsidedness cos(theta - side)).
  var lopsidedness = 0.0
  var side = 0.0
  var arms: Arms?
  var bars: [Bar] = []
  var ring: Ring?
  /// Optical depth in r of the plane's dust where it is seen edge-on.
  var laneDepth = 0.0
}

/// Logarithmic spiral arms: R = start exp((theta - phase) tan(pitch)), `count` of them.
struct Arms {
  var count: Int
  var pitch: Double
  var phase: Double
  /// +1 or -1: the sense in which they wind.
  var sense: Double
  /// Radius at which they begin.
  var start: Double
  /// Brightness of a ridge relative to the disk under it.
  var contrast: Double
  /// Concentration of their cross-section, of von Mises' form exp(k (cos - 1)).
  var sharpness: Double
  var light: Bands
  /// Optical depth in r of the dust on their inner edge.
  var dustDepth: Double
  /// Deviation from the ideal spiral in radians, and its pattern over (theta, ln R).
  var raggedness: Double
  var rags: [Wave]
}

/// A bar, or a lens where it is round: Ferrers' (1877) brightness (1 - r^2)^exponent inside an ellipse of the plane.
struct Bar {
  var length: Double
  var axisRatio: Double
  /// From the disk's major axis, in the plane.
  var angle: Double
  var exponent: Double
  var brightness: Double
  var light: Bands
}

/// A ring of Gaussian cross-section.
struct Ring {
  var radius: Double
  var width: Double
  var brightness: Double
  var light: Bands
}

/// A star-forming complex, a cluster or an HII region: a Gaussian spot.
struct Clump {
  var center: SIMD2<Double>
  var width: Double
  /// In the middle, in r.
  var brightness: Double
  var light: Bands
}

/// A star of our own galaxy: a point.
struct Star {
  var center: SIMD2<Double>
  /// The whole light in r, in brightness times area of the frame.
  var flux: Double
  var light: Bands
}

/// One term of a random pattern: amplitude cos(x * frequency.x + y * frequency.y + phase).
struct Wave {
  var frequency: SIMD2<Float>
  var phase: Float
  var amplitude: Float
}

/// A galaxy with all that is in front of and behind it, and the conditions it was observed under.
public struct Galaxy: Sendable {
  public let kind: GalaxyClass
  /// Major semi-axis of the bounding isophote.
  var isophote: Double
  var spheroids: [Sersic] = []
  var disk: Disk?
  var clumps: [Clump] = []
  var stars: [Star] = []
  var background: [Sersic] = []
  /// Full width at half maximum of the point spread function, and Moffat's exponent.
  var seeing: Double
  var moffat: Double
  /// Median signal-to-noise ratio in r of the pixels inside the bounding isophote.
  public var snr: Double
  /// The physical parameters that were drawn, for the record's JSON: angles in degrees, lengths in frame widths.
  public var parameters: JSONObject = [:]
}
