#!/usr/bin/env python3
"""Makes the golden files beside it. Needs torch, numpy, safetensors, pytorch_optimizer."""
import json, pathlib
import numpy as np, torch
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent
torch.manual_seed(7)


def dump(name, value):
    (here / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


# Learning rates of PyTorch's schedulers, as shares of the peak rate.
def rates(make, steps):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scheduler = make(optimizer)
    out = []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(out) < steps:
            scheduler.step()
    return out


lr = torch.optim.lr_scheduler
dump("schedules.json", {
    "one-cycle 100": rates(lambda o: lr.OneCycleLR(o, 1.0, total_steps=100), 100),
    "one-cycle 7": rates(lambda o: lr.OneCycleLR(o, 1.0, total_steps=7), 7),
    "cosine 50": rates(lambda o: lr.CosineAnnealingLR(o, 49), 50),
    "step 30 of 10": rates(lambda o: lr.StepLR(o, 10, 0.1), 30),
})

# Ten steps of each optimiser on a dense layer: 3 x 5 weights, which decay, and 3 biases, which do not.
def run(make):
    a, b = torch.randn(15), torch.randn(3)
    gradients = torch.randn(10, 18)
    params = [torch.nn.Parameter(a.clone()), torch.nn.Parameter(b.clone())]
    optimizer = make(params)
    out = []
    for g in gradients:
        params[0].grad, params[1].grad = g[:15].clone(), g[15:].clone()
        optimizer.clip(params)
        optimizer.step()
        out.append(torch.cat([p.detach() for p in params]).tolist())
    return {"start": torch.cat([a, b]).tolist(), "gradients": gradients.tolist(), "weights": out}


def groups(params, decay):
    return [{"params": [params[0]], "weight_decay": decay}, {"params": [params[1]], "weight_decay": 0.0}]


def with_clip(optimizer, limit=None):
    optimizer.clip = lambda params: limit and torch.nn.utils.clip_grad_norm_(params, limit)
    return optimizer


O = torch.optim
dump("optimizers.json", {
    "sgd": run(lambda p: with_clip(O.SGD(groups(p, 0.01), lr=0.1, momentum=0.9))),
    "nesterov": run(lambda p: with_clip(O.SGD(groups(p, 0.01), lr=0.1, momentum=0.9, nesterov=True))),
    "adam": run(lambda p: with_clip(O.Adam(groups(p, 0.01), lr=0.1))),
    "adamw": run(lambda p: with_clip(O.AdamW(groups(p, 0.01), lr=0.1))),
    "clipped": run(lambda p: with_clip(O.AdamW(groups(p, 0.01), lr=0.1), 2.0)),
})

# Sharpness-aware minimisation of the quadratic loss sum(curvature * w^2) / 2, with AdamW as above inside.
def sam(radius, steps=10):
    from pytorch_optimizer import SAM
    draw = torch.Generator().manual_seed(3)
    start = torch.randn(18, generator=draw)
    curvature = 4 * torch.rand(18, generator=draw)
    params = [torch.nn.Parameter(start[:15].clone()), torch.nn.Parameter(start[15:].clone())]
    optimizer = SAM(groups(params, 0.01), O.AdamW, rho=radius, lr=0.1)
    out = []
    for _ in range(steps):
        for step in [optimizer.first_step, optimizer.second_step]:
            (curvature[:15] * params[0] ** 2 / 2).sum().add((curvature[15:] * params[1] ** 2 / 2).sum()).backward()
            step(zero_grad=True)
        out.append(torch.cat([p.detach() for p in params]).tolist())
    return {"radius": radius, "start": start.tolist(), "curvature": curvature.tolist(), "weights": out}


dump("sam.json", sam(0.5))

# A file by the reference implementation.
save_file({
    "stem.weight": np.arange(24, dtype="<f4").reshape(2, 3, 2, 2) / 7,
    "half": np.array([0.1, -2, 65504], dtype="<f2"),
    "bytes": np.arange(5, dtype="u1"),
    "empty": np.zeros((0, 3), dtype="<f4"),
    "scalar": np.array(1.5, dtype="<f4"),
}, here / "reference.safetensors", metadata={"who": "safetensors", "text": 'é "quoted"\n'})
