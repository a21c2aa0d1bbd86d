#!/usr/bin/env python3
"""Makes the archives and arrays that the stream's tests read: by NumPy, tarfile, webdataset, GNU tar, bsdtar.

Needs numpy, webdataset, tar and bsdtar. Every archive holds the same three galaxies, one with a long
name and one with a non-ASCII name; `expected.json` tells them.
"""
import io, json, os, shutil, subprocess, tarfile, tempfile
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
os.chdir(here)
rng = np.random.default_rng(1)
names = ["M31", "a/" + "long" * 30 + "/NGC1", "Größe/ü"]
pixels = [rng.integers(0, 256, (2, 3, 3)).astype("u1") for _ in names]


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def members():
    for i, (name, array) in enumerate(zip(names, pixels)):
        yield name + ".json", json.dumps({"id": name, "label": "spiral", "n": i}).encode()
        yield name + ".npy", npy(array)


json.dump([{"key": n, "n": i, "bytes": p.ravel().tolist()} for i, (n, p) in enumerate(zip(names, pixels))],
          open("expected.json", "w"))

for label, form in [("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)]:
    with tarfile.open(f"python-{label}.tar", "w", format=form) as tar:
        for name, data in members():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))

import webdataset
with webdataset.TarWriter("webdataset.tar") as writer:
    for i, (name, array) in enumerate(zip(names, pixels)):
        writer.write({"__key__": name, "json": {"id": name, "label": "spiral", "n": i}, "npy": array})

with tempfile.TemporaryDirectory() as folder:
    order = []
    for name, data in members():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "wb").write(data)
        order.append(name)
    # With the folders themselves, ./ before the names, and each program's own padding and long-name records.
    for program, form in [("tar", "gnu"), ("tar", "posix"), ("tar", "ustar"), ("bsdtar", "pax"), ("bsdtar", "ustar")]:
        out = os.path.join(here, f"{program}-{form}.tar")
        subprocess.run([program, "-c", f"--format={form}", "-f", out, "-C", folder] + ["./" + n for n in order],
                       check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})

# A shard of pictures as others make them: no JSON first, class as .cls, a hidden file between.
with tarfile.open("shard.tar", "w") as tar:
    for name, data in [("0001.cls", b"3"), ("0001.jpg", b"not really"), ("._0001.jpg", b"resource fork"),
                       ("0002.jpg", b"another"), ("0002.cls", b"0"), ("README", b"no extension")]:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))

arrays = {}
for descr in ["|u1", "<u2", "<f2", "<f4"]:
    for shape in [(), (5,), (2, 3), (4, 5, 3), (1, 2, 3, 4)]:
        array = (rng.random(shape) * 100).astype(descr)
        arrays[f"{descr[1:]}_{'x'.join(map(str, shape)) or 'scalar'}"] = npy(np.asarray(array))
with tarfile.open("arrays.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
    for name, data in arrays.items():
        info = tarfile.TarInfo(name + ".npy")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
for tar in os.listdir("."):
    if tar.endswith(".tar"):
        print(tar, os.path.getsize(tar))
