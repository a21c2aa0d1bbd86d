#!/usr/bin/env python3
"""Makes the golden files beside it with Pillow and NumPy. The tests themselves need no Python.

    make.py [resize] [codec]        (both if none is named)

resize/: inputs and Pillow's results as .npy, and cases.json: one op (as in a record's `ops`) a case.
codec/:  small drawn pictures in every kind of JPEG and PNG, each with Pillow's pixels as .npy.
"""
import io, json, os, sys
import numpy as np
from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
RNG = np.random.default_rng(20260101)
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


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["resize", "codec"]
    if "resize" in wanted:
        resize_goldens()
