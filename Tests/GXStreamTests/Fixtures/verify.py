#!/usr/bin/env python3
"""Holds ours.tar, which gx wrote, against tarfile, numpy and webdataset. Needs numpy and webdataset."""
import io, json, os, subprocess, tarfile
import numpy as np
import webdataset

here = os.path.dirname(os.path.abspath(__file__))
path = os.path.join(here, "ours.tar")
ids = ["M31", "a/" + "long" * 30 + "/NGC1", "Größe/ü", "J0946.5+01"]
keys = ids[:3] + ["J0946%2E5+01"]
dtypes = ["|u1", "<u2", "<f2", "<f4"]


def check(array, descr):
    assert array.dtype.str == descr and array.shape == (2, 3, 3), (array.dtype.str, array.shape)
    assert array.tobytes() == bytes(j % 100 for j in range(array.nbytes))


with tarfile.open(path) as tar:
    names = tar.getnames()
    wanted = [f"{k}.{e}" for k in keys for e in ("json", "npy")] + [f"{keys[3]}.cam.npy", "torn.json"]
    assert names == wanted, names
    for key, name, descr in zip(keys, ids, dtypes):
        check(np.load(io.BytesIO(tar.extractfile(key + ".npy").read())), descr)
        assert json.load(tar.extractfile(key + ".json"))["id"] == name
    assert json.load(tar.extractfile("torn.json"))["error"] == "ends too early"

samples = list(webdataset.WebDataset(path, shardshuffle=False).decode())
assert [s["__key__"] for s in samples] == keys + ["torn"], [s["__key__"] for s in samples]
for sample, name, descr in zip(samples, ids, dtypes):
    check(sample["npy"], descr)
    assert sample["json"]["id"] == name and sample["json"]["ops"] == []
check(samples[3]["cam.npy"], "<f4")

listed = subprocess.run(["tar", "tf", path], capture_output=True, text=True, check=True,
                        env={**os.environ, "LC_ALL": "C.UTF-8"})
assert listed.stderr == "" and len(listed.stdout.splitlines()) == 10, listed
print("ours.tar: read alike by tarfile, numpy, webdataset and GNU tar")
