"""Weights and pictures that follow from a formula, so that golden files need not hold them; also in BackboneTests.swift."""
import numpy as np, torch

M64 = (1 << 64) - 1
PERIOD = 4093   # a prime: repeated values are made fast, and still tell one place from its neighbours


def uniform(name, count):
    """Values in [-1, 1): PERIOD of SplitMix64's outputs, begun at FNV-1a of the name; the upper 24 bits."""
    key = 0xcbf29ce484222325
    for byte in name.encode(): key = (key ^ byte) * 0x100000001b3 & M64
    z = np.uint64(key) + np.arange(1, PERIOD + 1, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
    z ^= z >> np.uint64(31)
    return np.resize((z >> np.uint64(40)).astype(np.float64) / (1 << 23) - 1, count)


def made(name, shape, lively=False):
    """A tensor's values. Lively ones keep inference in the range where ReLU6 and its like still have a slope."""
    u = uniform(name, int(np.prod(shape)))
    if len(shape) > 1: u *= (6 / np.prod(shape[1:])) ** 0.5     # variance 2 / fan-in
    elif name.endswith("running_var"): u = 1 + 0.2 * u
    elif name.endswith("running_mean"): u *= 0.1
    elif name.endswith("weight"): u = 0.5 + 0.1 * u
    elif lively and ("bn" in name or "downsample" in name): u = 1 + 0.5 * u
    # In training, well off the kinks of ReLU and ReLU6: f32's rounding flips those that lie on one, which puts even
    # PyTorch's own f32 gradients of deep nets 4 % off its f64 ones.
    elif "bn1" in name: u = np.where(u > 0.5, -3, 3)
    elif "bn" in name or "downsample" in name: u = 3 + 0 * u
    else: u *= 0.1
    return torch.tensor(u.astype(np.float32).astype(np.float64)).reshape(shape)
