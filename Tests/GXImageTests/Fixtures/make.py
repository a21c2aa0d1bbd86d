#!/usr/bin/env python3
"""Makes the golden files beside it with Pillow, NumPy, SciPy and OpenCV. The tests themselves need no Python.

    make.py [resize] [codec] [denoise]        (all if none is named)

resize/:  inputs and Pillow's results as .npy, and cases.json: one op (as in a record's `ops`) a case.
codec/:   small drawn pictures in every kind of JPEG and PNG, each with Pillow's pixels as .npy.
denoise/: as resize/, by SciPy (median, gaussian), OpenCV and NumPy (bilateral).
"""
import ctypes, io, json, os, struct, sys, zlib
import numpy as np
from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
RNG = None  # set for each kind, so that one can be made without the other
FILTERS = {"box": Image.BOX, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}


def picture(height, width, channels=3):
    """Smooth blobs, hard edges and noise: what filters ring on."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    layers = []
    for c in range(channels):
        blob = 230 * np.exp(-(((x - width * (0.3 + 0.2 * c)) / (0.3 * width + 1)) ** 2
                              + ((y - height * 0.5) / (0.25 * height + 1)) ** 2))
        bars = 255 * (((x // 3 + (y // 4) * (c + 1)) % 4) == 0)
        layers.append(np.where(x > 0.6 * width, bars, blob) + RNG.normal(0, 12, (height, width)))
    return np.clip(np.stack(layers, -1), 0, 255).round().astype(np.uint8)


def resize_goldens():
    out = os.path.join(HERE, "resize")
    os.makedirs(out, exist_ok=True)
    cases = []

    def save(name, array):
        np.save(os.path.join(out, name + ".npy"), array)

    def case(source, op, result):
        name = f"{len(cases):02d}"
        save(name, result)
        cases.append({"input": source, "op": op, "expected": name})

    def op(width, height, filter, mode="stretch", crop=1, **more):
        return {"op": "resize", "width": width, "height": height, "filter": filter, "mode": mode, "crop": crop, **more}

    inputs = {"rgb": picture(41, 37), "wide": picture(18, 61), "row": picture(1, 13), "column": picture(11, 1),
              "pixel": picture(1, 1), "rgba": picture(20, 15, 4)}
    for name, array in inputs.items():
        save(name, array)
    for filter, code in FILTERS.items():
        for source, width, height in [("rgb", 16, 16), ("rgb", 53, 60), ("rgb", 37, 7), ("rgb", 80, 41), ("rgb", 1, 1),
                                      ("row", 5, 3), ("column", 4, 6), ("pixel", 3, 2), ("wide", 7, 23), ("rgb", 30, 11),
                                      ("rgba", 9, 11)]:
            image = Image.fromarray(inputs[source])
            if source == "rgba":  # Pillow premultiplies RGBA; gx's channels are alike, as CMYK's are
                image = Image.frombytes("CMYK", image.size, image.tobytes())
            case(source, op(width, height, filter), np.asarray(image.resize((width, height), code)))
    image = Image.fromarray(inputs["rgb"])
    for fraction in (0.8, 0.31):
        w, h = image.size
        box = ((w - w * fraction) / 2, (h - h * fraction) / 2, (w + w * fraction) / 2, (h + h * fraction) / 2)
        case("rgb", op(16, 16, "bilinear", crop=fraction), np.asarray(image.resize((16, 16), Image.BILINEAR, box=box)))
    for source, width, height in [("wide", 20, 20), ("rgb", 31, 12), ("rgb", 12, 31), ("wide", 40, 90)]:
        image = Image.fromarray(inputs[source])
        case(source, op(width, height, "bicubic", "cover"), np.asarray(ImageOps.fit(image, (width, height), Image.BICUBIC)))
        case(source, op(width, height, "bicubic", "fit", fill=[1, 0, 0.2]),
             np.asarray(ImageOps.pad(image, (width, height), Image.BICUBIC, color=(255, 0, 51))))
    grey = (picture(23, 19, 1)[:, :, 0] / np.float32(255) * 3 - 1).astype(np.float32)
    save("float", grey[:, :, None])
    deep = (picture(23, 19, 1)[:, :, 0].astype(np.uint16) * 257 + RNG.integers(0, 200, (23, 19))).clip(0, 65535)
    save("deep", deep.astype(np.uint16)[:, :, None])
    for filter, code in FILTERS.items():
        for width, height in [(8, 9), (30, 40)]:
            case("float", op(width, height, filter), np.asarray(Image.fromarray(grey).resize((width, height), code))[:, :, None])
            case("deep", op(width, height, filter),
                 np.asarray(Image.fromarray(deep.astype(np.uint16)).resize((width, height), code))[:, :, None])
    with open(os.path.join(out, "cases.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


def turbo_jpeg(pixels, subsampling, cmyk=False):
    """What Pillow can't write: 4:1:1, 4:4:0 and YCCK, through the C library."""
    lib = ctypes.CDLL("libturbojpeg.so.0")
    lib.tjInitCompress.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(lib.tjInitCompress())
    out, size = ctypes.POINTER(ctypes.c_ubyte)(), ctypes.c_ulong(0)
    data = np.ascontiguousarray(pixels)
    height, width, _ = data.shape
    status = lib.tjCompress2(handle, data.ctypes.data_as(ctypes.c_void_p), width, 0, height, 11 if cmyk else 0,
                             ctypes.byref(out), ctypes.byref(size), subsampling, 90, 0)
    assert status == 0
    return bytes(out[:size.value])


def png(samples, depth, kind, interlaced=False, palette=None, transparency=None, exif=None, exif_last=False):
    """A PNG of any colour type and depth. samples: [height, width, channels], whole numbers below 2**depth."""
    height, width, channels = samples.shape

    def rows(part):
        out = b""
        for row in part:
            bits = "".join(format(int(v), f"0{depth}b") for v in row.ravel())
            bits += "0" * (-len(bits) % 8)
            out += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
        return out

    if interlaced:  # Adam7
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        parts = [samples[y::dy, x::dx] for y, x, dy, dx in passes]
        body = b"".join(rows(part) for part in parts if part.size)
    else:
        body = rows(samples)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced)))
    out += chunk(b"gAMA", struct.pack(">I", 100000))  # must not matter
    if palette is not None:
        out += chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    if transparency is not None:
        out += chunk(b"tRNS", transparency)
    if exif and not exif_last:
        out += chunk(b"eXIf", exif)
    out += chunk(b"IDAT", zlib.compress(body))
    if exif and exif_last:
        out += chunk(b"eXIf", exif)
    return out + chunk(b"IEND", b"")


def pillow_rgb(data):
    """Pillow's RGB, upright, over black; of 16-bit grey the upper 8 bits (Pillow would clip instead)."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode.startswith("I"):
        grey = (np.asarray(image).astype(np.int64) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, 2)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        base = Image.new("RGB", image.size)
        base.paste(image.convert("RGB"), mask=image.getchannel("A"))
        return np.asarray(base)
    return np.asarray(image.convert("RGB"))


def codec_goldens():
    out = os.path.join(HERE, "codec")
    os.makedirs(out, exist_ok=True)
    cases = []

    def save(name, data, tolerance=0):
        with open(os.path.join(out, name), "wb") as file:
            file.write(data)
        np.save(os.path.join(out, name + ".npy"), pillow_rgb(data))
        cases.append({"file": name, "tolerance": tolerance})

    rgb = picture(13, 19)
    image = Image.fromarray(rgb)

    def jpeg(name, image=image, **options):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", **options)
        save(name, buffer.getvalue(), 1)

    for name, subsampling in [("444", 0), ("422", 1), ("420", 2)]:
        jpeg(f"{name}.jpg", quality=90, subsampling=subsampling)
        jpeg(f"{name}-progressive.jpg", quality=85, subsampling=subsampling, progressive=True)
    jpeg("restart.jpg", quality=70, restart_marker_blocks=2, optimize=True)
    jpeg("rgb.jpg", quality=90, keep_rgb=True)
    jpeg("grey.jpg", image.convert("L"), quality=90)
    jpeg("pixel.jpg", Image.fromarray(picture(1, 1)), quality=90)
    cmyk = Image.fromarray(picture(13, 19, 4), "CMYK")
    jpeg("cmyk.jpg", cmyk, quality=90)
    save("ycck.jpg", turbo_jpeg(picture(13, 19, 4), 2, cmyk=True), 1)
    save("411.jpg", turbo_jpeg(rgb, 5), 1)
    save("440.jpg", turbo_jpeg(rgb, 4), 1)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif[0x010F] = "Maker"
        if orientation % 2:
            exif.endian = "<"
        jpeg(f"exif{orientation}.jpg", quality=90, exif=exif)

    def samples(depth, channels):
        deep = RNG.integers(0, 65536, (13, 19, channels))
        smooth = picture(13, 19, channels).astype(np.int64) * 257
        return np.where(deep % 3 == 0, deep, smooth) >> (16 - depth)

    for interlaced in (False, True):
        tail = "-interlaced.png" if interlaced else ".png"
        for depth in (1, 2, 4, 8, 16):
            save(f"grey{depth}{tail}", png(samples(depth, 1), depth, 0, interlaced))
        for depth in (1, 2, 4, 8):
            palette = RNG.integers(0, 256, (2**depth, 3))
            save(f"palette{depth}{tail}", png(samples(depth, 1), depth, 3, interlaced, palette))
        for depth in (8, 16):
            save(f"rgb{depth}{tail}", png(samples(depth, 3), depth, 2, interlaced))
            save(f"grey-alpha{depth}{tail}", png(samples(depth, 2), depth, 4, interlaced))
            save(f"rgba{depth}{tail}", png(samples(depth, 4), depth, 6, interlaced))
    palette = RNG.integers(0, 256, (16, 3))
    save("palette-trns.png", png(samples(4, 1), 4, 3, False, palette, bytes([0, 60, 128, 255])))
    grey = samples(8, 1)
    save("grey-trns.png", png(grey, 8, 0, False, None, struct.pack(">H", int(grey[2, 3, 0]))))
    colours = samples(8, 3)
    save("rgb-trns.png", png(colours, 8, 2, False, None, struct.pack(">HHH", *map(int, colours[2, 3]))))
    for orientation, last in [(6, False), (3, True)]:
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"exif{orientation}.png", png(samples(8, 3), 8, 2, exif=exif.tobytes()[6:], exif_last=last))
    with open(os.path.join(out, "cases.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


def denoise_goldens():
    import cv2
    from scipy import ndimage

    out = os.path.join(HERE, "denoise")
    os.makedirs(out, exist_ok=True)
    cases = []

    def save(name, array):
        np.save(os.path.join(out, name + ".npy"), np.ascontiguousarray(array))

    def case(source, result, by, **op):
        name = f"{len(cases):02d}"
        save(name, result)
        cases.append({"input": source, "op": {"op": "denoise", **op}, "expected": name, "by": by})

    def like(array, values):
        """Rounded as gx rounds: whole numbers once, halves up."""
        if array.dtype.kind == "u":
            values = np.floor(np.asarray(values, np.float64) + 0.5)
        return values.astype(array.dtype)

    def full_scale(array):
        return np.iinfo(array.dtype).max if array.dtype.kind == "u" else 1

    def bilateral(array, diameter, sigma_colour, sigma_space):
        """The definition, in double precision."""
        r = diameter // 2
        wide = np.pad(array.astype(np.float64), ((r, r), (r, r), (0, 0)), "symmetric")
        height, width, _ = array.shape
        sums, total = np.zeros(array.shape), np.zeros((height, width, 1))
        for dy in range(-r, r + 1):
            for dx in range(-r, r + 1):
                if dy * dy + dx * dx <= r * r:
                    near = wide[r + dy:r + dy + height, r + dx:r + dx + width]
                    apart = np.abs(near - array.astype(np.float64)).sum(2, keepdims=True) / full_scale(array)
                    weight = np.exp(-apart**2 / (2 * sigma_colour**2) - (dy * dy + dx * dx) / (2 * sigma_space**2))
                    sums += weight * near
                    total += weight
        return like(array, sums / total)

    rgb = picture(23, 29)
    unit = (picture(21, 18, 2) / np.float32(255)).astype(np.float32)
    inputs = {"rgb": rgb, "deep": rgb[:, :17, :1].astype(np.uint16) * 257 ^ 0x5a, "half": unit.astype(np.float16),
              "float": unit * 3 - 1, "grey": rgb[:, :, 1:2], "tiny": rgb[3:5, 4:7], "row": rgb[5:6], "pixel": rgb[:1, :1],
              "five": picture(6, 11, 5)}
    for name, array in inputs.items():
        save(name, array)
        for size in (3, 5, 7, 13):
            median = ndimage.median_filter(array.astype(np.float64), (size, size, 1), mode="reflect")
            case(name, median.astype(array.dtype), "SciPy", method="median", size=size)
        for sigma in (0.1, 0.7, 1.0, 2.6):
            smooth = ndimage.gaussian_filter(array.astype(np.float64), (sigma, sigma, 0), mode="reflect", truncate=4)
            case(name, like(array, smooth), "SciPy", method="gaussian", sigma=sigma)
        for diameter, colour, space in [(3, 0.1, 1), (5, 0.25, 1.5), (9, 0.05, 20)]:
            op = {"method": "bilateral", "diameter": diameter, "sigma_colour": colour, "sigma_space": space}
            case(name, bilateral(array, diameter, colour, space), "NumPy", **op)
            if array.dtype == np.uint8 and array.shape[2] in (1, 3) and min(array.shape[:2]) > diameter:
                smooth = cv2.bilateralFilter(array, diameter, colour * 255, space, borderType=cv2.BORDER_REFLECT)
                case(name, smooth.reshape(array.shape), "OpenCV", **op)
    with open(os.path.join(out, "cases.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["resize", "codec", "denoise"]
    if "resize" in wanted:
        RNG = np.random.default_rng(1)
        resize_goldens()
    if "codec" in wanted:
        RNG = np.random.default_rng(2)
        codec_goldens()
    if "denoise" in wanted:
        RNG = np.random.default_rng(3)
        denoise_goldens()
