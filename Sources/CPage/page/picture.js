// Pixels: small copies of pictures, and maps of numbers as colours.

/** At most this many decode at once: whole pictures lie in memory meanwhile. */
const most = 2;
let decoding = 0;
const waiting = [];

/**
 * Draws a small copy of a picture, upright as the server sees it.
 * @param isWanted asked again when its turn has come
 * @returns whether the browser can show it
 */
export async function drawThumbnail(file, canvas, longest, isWanted) {
  if (decoding >= most) await new Promise((resolve) => waiting.push(resolve));
  decoding += 1;
  try {
    if (!isWanted()) return true;
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, longest / Math.max(picture.width, picture.height));
    canvas.width = Math.max(1, Math.round(scale * picture.width));
    canvas.height = Math.max(1, Math.round(scale * picture.height));
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    return true;
  } catch {
    return false;
  } finally {
    decoding -= 1;
    waiting.shift()?.();
  }
}

/** "inferno" by Nathaniel J. Smith and Stéfan van der Walt (2015, CC0), at 0, 1/17, … 1. Straight lines between are
    within 6/255 of the whole table. Its lightness rises evenly, for every kind of colour vision. */
const inferno = [
  0x000004, 0x0a0722, 0x1e0c45, 0x380962, 0x510e6c, 0x69166e, 0x801f6c, 0x982766, 0xb0315b, 0xc63d4d, 0xd94d3d,
  0xe9612b, 0xf47918, 0xfa9407, 0xfcb014, 0xf8cd37, 0xf2ea69, 0xfcffa4,
].map((rgb) => [rgb >> 16, (rgb >> 8) & 255, rgb & 255]);

/** Writes red, green, blue and full opacity for a value in 0...1. */
function color(value, pixels, at) {
  const place = Math.min(Math.max(value, 0), 1) * (inferno.length - 1);
  const below = Math.min(Math.floor(place), inferno.length - 2);
  for (let c = 0; c < 3; c += 1) {
    pixels[at + c] = inferno[below][c] + (place - below) * (inferno[below + 1][c] - inferno[below][c]);
  }
  pixels[at + 3] = 255;
}

/** What each of `size` pixels takes of `count` values that are spread edge to edge over `extent` of them, which begins
    at the part `start` of them (the middle's, if it is not told): four places and their weights, by Catmull and Rom's
    cubic (1974), or null outside. It goes through the values, and shows no corners between them that are not there. */
function shares(size, count, extent, start = (1 - extent) / 2) {
  return Array.from({ length: size }, (_, i) => {
    const along = ((i + 0.5) / size - start) / extent;
    if (along < 0 || along > 1) return null;
    const place = along * count - 0.5;
    const first = Math.floor(place);
    const t = place - first;
    const weights = [
      ((2 - t) * t - 1) * t, (3 * t - 5) * t * t + 2, ((4 - 3 * t) * t + 1) * t, (t - 1) * t * t,
    ];
    return weights.map((weight, k) => [Math.min(Math.max(first - 1 + k, 0), count - 1), weight / 2]);
  });
}

const whole = { width: 1, height: 1 };

/** Draws rows of values in 0...1 as colours over as much of the canvas as `extent` says. */
export function drawMap({ height, width, values, extent = whole }, canvas) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const columns = shares(canvas.width, width, extent.width, extent.left);
  const wide = values.map((row) =>
    columns.map((four) => four && four.reduce((sum, [x, weight]) => sum + weight * row[x], 0)));
  shares(canvas.height, height, extent.height, extent.top).forEach((four, y) => {
    for (let x = 0; four && x < canvas.width; x += 1) {
      if (!columns[x]) continue;
      const value = four.reduce((sum, [from, weight]) => sum + weight * wide[from][x], 0);
      color(value, image.data, 4 * (y * canvas.width + x));
    }
  });
  context.putImageData(image, 0, 0);
}

/** Draws the colours of 0 to 1 from left to right. */
export function drawScale(canvas) {
  const width = canvas.width;
  drawMap({ height: 1, width, values: [Array.from({ length: width }, (_, i) => i / (width - 1))] }, canvas);
}
