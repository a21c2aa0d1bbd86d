#!/usr/bin/env python3
"""Makes denoise/ with SciPy (median, gaussian), OpenCV and NumPy (bilateral). The tests themselves need no Python.

Inputs and results as .npy, and cases.json: one op (as in a record's `ops`) a case.
"""
import json, os
import cv2
import numpy as np
from scipy import ndimage
import make
from make import HERE, picture

make.RNG = np.random.default_rng(3)


def denoise_goldens():
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
    denoise_goldens()
