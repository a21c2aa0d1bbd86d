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
    within 5/255 of the whole table. Its lightness rises evenly, for every kind of colour vision. */
const inferno = [
  0x000004, 0x0a0722, 0x1e0c45, 0x380962, 0x510e6c, 0x69166e, 0x801f6c, 0x982766, 0xb0315b, 0xc63d4d, 0xd94d3d, 0xe9612b,
  0xf47918, 0xfa9407, 0xfcb014, 0xf8cd37, 0xf2ea69, 0xfcffa4,
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

/** Where pixel `i` of `size` falls among `count` values that are spread edge to edge: the two beside it, and how far
    it is on the way from the first to the second. */
function between(i, size, count) {
  const place = Math.min(Math.max(((i + 0.5) * count) / size - 0.5, 0), count - 1);
  const first = Math.min(Math.floor(place), Math.max(count - 2, 0));
  return [first, Math.min(first + 1, count - 1), place - first];
}

/** Draws rows of values in 0...1 as colours, bilinearly, as the server's own overlay is. */
export function drawMap({ height, width, values }, canvas) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const columns = Array.from({ length: canvas.width }, (_, x) => between(x, canvas.width, width));
  for (let y = 0; y < canvas.height; y += 1) {
    const [top, bottom, down] = between(y, canvas.height, height);
    columns.forEach(([left, right, along], x) => {
      const above = values[top][left] + along * (values[top][right] - values[top][left]);
      const below = values[bottom][left] + along * (values[bottom][right] - values[bottom][left]);
      color(above + down * (below - above), image.data, 4 * (y * canvas.width + x));
    });
  }
  context.putImageData(image, 0, 0);
}
