#!/usr/bin/env python3
"""Makes backbones.json: what torchvision's and timm's backbones compute, in f64, from weights and pictures that follow
from a formula, so that the file need not hold them. For each of our names:
  model, input [N,H,W,C], classes, parameters (how many numbers), eval (logits in inference), features (before the head),
  head (the head's gradient by the logits' with all else frozen: norm and dot), training (logits with batch statistics),
  gradients {tensor: [norm, dot]} for dlogits from the formula, running {tensor: [norm, dot]} after that pass.
Both are of some 4,000 elements, evenly taken; `dot` is the scalar product with the formula's values for "probe.TENSOR".

    make_backbones.py        (needs torch, torchvision, timm, numpy)
"""
import json, os
import numpy as np, timm, torch, torchvision
from formula import PERIOD, made, uniform

N, SIZE, CLASSES = 4, 64, 4
torch.set_num_threads(2)


def summary(name, tensor):
    values = tensor.detach().numpy().ravel()
    values = values[::max(values.size // PERIOD, 1)]
    return [float(np.linalg.norm(values)), float(values @ uniform("probe." + name, values.size))]


def torchvision_names(model):
    """timm's name for each of torchvision's tensors: those of the same place among the layers, which are in one order."""
    ours = timm.create_model({"mobilenet_v2": "mobilenetv2_100", "efficientnet_b0": "efficientnet_b0"}[model],
                             num_classes=CLASSES).state_dict()
    theirs = getattr(torchvision.models, model)(num_classes=CLASSES).state_dict()
    assert [tuple(t.shape) for t in ours.values()] == [tuple(t.shape) for t in theirs.values()]
    return dict(zip(theirs, ours))


def run(model, rename=lambda n: n):
    model = model.double()
    state = model.state_dict()
    model.load_state_dict({k: v if "num_batches" in k else made(rename(k), v.shape) for k, v in state.items()})
    for m in model.modules():
        if isinstance(m, torch.nn.Dropout): m.p = 0
        if hasattr(m, "drop_rate"): m.drop_rate = 0
        if type(m).__name__ == "StochasticDepth": m.p = 0
    x = torch.tensor(uniform("input", N * SIZE * SIZE * 3).astype(np.float32).astype(np.float64))
    x = x.reshape(N, SIZE, SIZE, 3).permute(0, 3, 1, 2)
    dlogits = torch.tensor(uniform("dlogits", N * CLASSES).astype(np.float32).astype(np.float64)).reshape(N, CLASSES)
    head = [m for m in model.modules() if isinstance(m, torch.nn.Linear)][-1]
    seen = []
    head.register_forward_hook(lambda m, i, o: seen.append(i[0]))
    result = {"input": [N, SIZE, SIZE, 3], "classes": CLASSES,
              "parameters": sum(p.numel() for p in model.parameters())}
    logits = model.eval()(x)
    result["eval"], result["features"] = logits.flatten().tolist(), summary("features", seen[0])
    logits.backward(dlogits)
    result["head"] = [summary("head.weight", head.weight.grad), summary("head.bias", head.bias.grad)]
    model.zero_grad()
    logits = model.train()(x)
    result["training"] = logits.flatten().tolist()
    logits.backward(dlogits)
    result["gradients"] = {rename(k): summary(rename(k), p.grad) for k, p in model.named_parameters()}
    result["running"] = {rename(k): summary(rename(k), v) for k, v in model.state_dict().items() if "running" in k}
    return result


results = {}
for name, model in {"resnet18": "resnet18", "resnet50": "resnet50", "mobilenetv2": "mobilenet_v2",
                    "efficientnet-b0": "efficientnet_b0"}.items():
    names = {} if "resnet" in model else torchvision_names(model)
    results[name] = {"model": "torchvision " + model, **run(
        getattr(torchvision.models, model)(num_classes=CLASSES), lambda n: names.get(n, n))}
for name, model in {"efficientnet-lite0": "efficientnet_lite0", "tf-efficientnet-lite0": "tf_efficientnet_lite0"}.items():
    results[name] = {"model": "timm " + model, **run(timm.create_model(model, num_classes=CLASSES))}
for result in results.values():
    result["eval"] = [float(f"{v:.7g}") for v in result["eval"]]
    result["training"] = [float(f"{v:.7g}") for v in result["training"]]
    for kind in "gradients", "running":
        result[kind] = {k: [float(f"{v:.6g}") for v in pair] for k, pair in result[kind].items()}
    print(result["model"], result["parameters"], result["eval"][:4], result["training"][:4])
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "backbones.json")
with open(path, "w") as f: json.dump(results, f, separators=(",", ":"))
print(os.path.getsize(path), "bytes")
