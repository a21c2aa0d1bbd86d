#!/usr/bin/env python3
"""Makes the golden files beside it with Pillow and NumPy. The tests themselves need no Python.

    make.py [resize] [codec] [webp] [tiff]        (all if none is named)

resize/:  inputs and Pillow's results as .npy, and cases.json: one op (as in a record's `ops`) a case.
codec/:   small drawn pictures in every kind of JPEG and PNG, each with Pillow's pixels as .npy.
webp/:    WebP files, likewise with Pillow's pixels.
tiff/:    TIFF files of tifffile (with imagecodecs) and Pillow, with the pixels they were made from.
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
    jpeg("markers.jpg", quality=70, subsampling=0, restart_marker_blocks=2)
    with open(os.path.join(out, "cases.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


def goldens(folder, files):
    """Writes (name, data, pixels, tolerance) and what the tests read of them."""
    out = os.path.join(HERE, folder)
    os.makedirs(out, exist_ok=True)
    cases = []
    for name, data, pixels, tolerance in files:
        with open(os.path.join(out, name), "wb") as file:
            file.write(data)
        np.save(os.path.join(out, name + ".npy"), pixels)
        cases.append({"file": name, "tolerance": tolerance})
    with open(os.path.join(out, "cases.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


def webp_goldens():
    files = []

    def save(name, image, tolerance=0, **options):
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", **options)
        data = buffer.getvalue()
        files.append((name, data, pillow_rgb(data), tolerance))
        return data

    rgb, rgba = Image.fromarray(picture(13, 19)), Image.fromarray(picture(13, 19, 4), "RGBA")
    save("lossy.webp", rgb, 1, quality=80)
    save("lossy-poor.webp", rgb, 1, quality=5, method=6)
    save("lossy-alpha.webp", rgba, 1, quality=80)
    save("lossy-alpha-exact.webp", rgba, 1, quality=80, alpha_quality=50, exact=True)
    save("lossless.webp", rgb, lossless=True)
    save("lossless-alpha.webp", rgba, lossless=True, exact=True)
    save("palette.webp", rgb.quantize(12).convert("RGB"), lossless=True)
    save("pixel.webp", Image.fromarray(picture(1, 1)), lossless=True)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = save(f"exif{orientation}.webp", rgb, lossless=True, exif=exif)
    frames = [Image.fromarray(picture(13, 19, 4), "RGBA") for _ in range(3)]
    save("animated.webp", frames[0], save_all=True, append_images=frames[1:], lossless=True, exact=True)
    save("animated-lossy.webp", frames[1].convert("RGB"), 1, save_all=True, append_images=[rgb], quality=70)
    # A first frame that fills a part of the canvas alone: what Pillow does not write, but reads.
    small = io.BytesIO()
    Image.fromarray(picture(5, 7, 4), "RGBA").save(small, "WEBP", quality=80)
    def number(value): return struct.pack("<I", value)[:3]
    def chunk(name, data): return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    body = small.getvalue()[12:]
    first = body[18:] if body[:4] == b"VP8X" else body
    frame = number(4 // 2) + number(6 // 2) + number(7 - 1) + number(5 - 1) + number(100) + b"\0" + first
    data = b"WEBP" + chunk(b"VP8X", b"\x12\0\0\0" + number(19 - 1) + number(13 - 1)) \
        + chunk(b"ANIM", b"\xff\xff\xff\xff\0\0") + chunk(b"ANMF", frame)
    data = b"RIFF" + struct.pack("<I", len(data)) + data
    files.append(("animated-part.webp", data, pillow_rgb(data), 1))
    goldens("webp", files)


def on_black(samples, white, inverted=False):
    """Grey, grey and alpha, RGB or RGBA as RGB; the colours times alpha, rounded to nearest."""
    channels = samples.shape[2]
    colour = samples[:, :, :1].repeat(3, 2) if channels < 3 else samples[:, :, :3]
    if inverted:
        colour = np.asarray(white, samples.dtype) - colour
    if channels in (2, 4):
        product = colour.astype(np.float64) * samples[:, :, -1:] / white
        colour = (product if samples.dtype.kind == "f" else np.floor(product + 0.5)).astype(samples.dtype)
    return colour


def tiff_goldens():
    import tifffile

    files = []

    def save(name, samples, tolerance=0, pixels=None, inverted=False, extra=None, **options):
        buffer = io.BytesIO()
        kind = options.pop("photometric", "rgb" if samples.shape[2] > 2 else "minisblack")
        data = samples[:, :, 0] if samples.shape[2] == 1 else samples
        if options.get("planarconfig") == "separate":
            data = np.moveaxis(samples, 2, 0)
        tifffile.imwrite(buffer, data, photometric=kind, extrasamples=extra, metadata=None,
                         **{"rowsperstrip": 4, **options} if "tile" not in options else options)
        white = {"u1": 255, "u2": 65535}.get(samples.dtype.str[1:], 1)
        if pixels is None:
            pixels = on_black(samples[:, :, : (1 if samples.shape[2] < 3 else 3)] if extra == ["ASSOCALPHA"] or extra == [0]
                              else samples, white, inverted)
        files.append((name + ".tif", buffer.getvalue(), pixels, tolerance))

    def samples(kind, channels):
        deep = picture(13, 19, channels).astype(np.int64) * 257 + RNG.integers(0, 200, (13, 19, channels))
        deep = deep.clip(0, 65535)
        if kind == "u1":
            return (deep >> 8).astype("u1")
        return deep.astype("u2") if kind == "u2" else (deep / 30000.0 - 0.25).astype(kind)

    for kind in ("u1", "u2", "f2", "f4"):
        save(f"grey-{kind}", samples(kind, 1))
        save(f"rgb-{kind}", samples(kind, 3))
        save(f"rgb-{kind}-big-endian", samples(kind, 3), byteorder=">")
        save(f"rgb-{kind}-planar", samples(kind, 3), planarconfig="separate")
        save(f"rgb-{kind}-tiles", samples(kind, 3), tile=(16, 16))
        save(f"rgba-{kind}", samples(kind, 4) if kind[0] == "u" else samples(kind, 4).clip(0, 1), 1e-3 if kind == "f2" else 1e-6,
             extra=["UNASSALPHA"])
        save(f"grey-alpha-{kind}-planar", samples(kind, 2) if kind[0] == "u" else samples(kind, 2).clip(0, 1),
             1e-3 if kind == "f2" else 1e-6, extra=["UNASSALPHA"], planarconfig="separate")
        save(f"white-{kind}", samples(kind, 1), 1e-3 if kind == "f2" else 0, photometric="miniswhite", inverted=True)
        for compression in ("lzw", "zlib", "packbits"):
            save(f"rgb-{kind}-{compression}", samples(kind, 3), compression=compression)
        for order in ("<", ">"):
            name = "big" if order == ">" else "little"
            save(f"rgb-{kind}-predictor-{name}", samples(kind, 3), compression="zlib", predictor=True, byteorder=order)
        save(f"grey-{kind}-lzw-predictor-tiles", samples(kind, 1), compression="lzw", predictor=True, tile=(16, 32))
        save(f"rgb-{kind}-planar-tiles", samples(kind, 3), planarconfig="separate", tile=(16, 16), compression="zlib")
    save("associated", samples("u1", 4), extra=["ASSOCALPHA"])
    save("unspecified", samples("u1", 4), extra=[0])
    save("bigtiff", samples("u1", 3), bigtiff=True)
    save("bigtiff-big-endian", samples("u2", 3), bigtiff=True, byteorder=">")
    save("one-strip", samples("u1", 3), rowsperstrip=13)
    palette = RNG.integers(0, 65536, (3, 256)).astype("u2")
    places = samples("u1", 1)
    save("palette", places, photometric="palette", colormap=palette,
         pixels=(palette >> 8).astype("u1")[:, places[:, :, 0]].transpose(1, 2, 0))
    for orientation in range(1, 9):
        pixels = samples("u1", 3)
        turned = {1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1], 5: pixels.transpose(1, 0, 2),
                  6: np.rot90(pixels, -1), 7: pixels[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(pixels)}[orientation]
        save(f"orientation{orientation}", pixels, pixels=np.ascontiguousarray(turned),
             extratags=[(274, "H", 1, orientation, True)])

    def pillow(name, image, tolerance=0, **options):
        buffer = io.BytesIO()
        image.save(buffer, "TIFF", **options)
        pixels = np.asarray(Image.open(io.BytesIO(buffer.getvalue())).convert("RGB"))
        files.append((name + ".tif", buffer.getvalue(), pixels, tolerance))

    rgb = Image.fromarray(picture(13, 19))
    pillow("jpeg", rgb, 2, compression="jpeg", quality=90)
    pillow("jpeg-grey", rgb.convert("L"), 1, compression="jpeg", quality=90)
    pillow("bilevel", rgb.convert("1"))
    pillow("group4", rgb.convert("1"), compression="group4")
    pillow("pages", rgb, save_all=True, append_images=[rgb.resize((5, 6))])
    goldens("tiff", files)


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["resize", "codec", "webp", "tiff"]
    if "tiff" in wanted:
        RNG = np.random.default_rng(4)
        tiff_goldens()
    if "webp" in wanted:
        RNG = np.random.default_rng(3)
        webp_goldens()
    if "resize" in wanted:
        RNG = np.random.default_rng(1)
        resize_goldens()
    if "codec" in wanted:
        RNG = np.random.default_rng(2)
        codec_goldens()
