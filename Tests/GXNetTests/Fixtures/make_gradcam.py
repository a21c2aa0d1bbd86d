#!/usr/bin/env python3
"""Makes gradcam.json: the maps of pytorch-grad-cam (Gildenblat et al., PyPI `grad-cam`), computed in f64 with weights
and a picture that follow from a formula, so that the file need not hold them. For each of our names:
  input [H,W,C], classes, logits, maps [{node, method, class, height, width, values}].
Maps are as the package has them before it brings them to the picture's size: ReLU of the weighted sum of activations,
here scaled to a largest value of 1; all zeros where nothing speaks for the class. (The package also takes off the
smallest value first, which is 0 for most.)

    make_gradcam.py        (needs torch, timm, numpy, grad-cam)
"""
import collections, json, os
import numpy as np, timm, torch
from torch import nn
from pytorch_grad_cam import GradCAM, HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from formula import made, uniform

SIZE, CLASSES = 96, 8
torch.set_num_threads(2)


def seed():
    """The original project's CNN."""
    layers, channels = [], 3
    for i, n in enumerate([32, 64, 128, 256]):
        layers += [(f"conv{i + 1}", nn.Conv2d(channels, n, 3)), (f"relu{i + 1}", nn.ReLU())]
        if i < 3: layers.append((f"pool{i + 1}", nn.MaxPool2d(2, 2)))
        channels = n
    layers += [("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("dense", nn.Linear(256, 512)),
               ("relu", nn.ReLU()), ("logits", nn.Linear(512, CLASSES))]
    return nn.Sequential(collections.OrderedDict(layers))


def explained(model, module, kind, label, x):
    """The map of the module's result, `[height, width]`."""
    with kind(model=model, target_layers=[module]) as cam:
        cam.get_target_width_height = lambda input: None     # leave the map at its own size
        sums, image = [], cam.get_cam_image
        cam.get_cam_image = lambda *a, **k: sums.append(image(*a, **k)) or sums[-1]
        scaled = cam(input_tensor=x, targets=[ClassifierOutputTarget(label)])[0]
    values = np.maximum(sums[0][0], 0)
    if values.max() == 0: return values
    lowest = values.min()
    assert np.allclose(scaled, (values - lowest) / (values.max() - lowest), atol=1e-5)
    return values / values.max()


def run(model, nodes):
    model = model.double().eval()
    state = model.state_dict()
    model.load_state_dict({k: v if "num_batches" in k else made(k, v.shape, lively=True) for k, v in state.items()})
    x = torch.tensor(uniform("input", SIZE * SIZE * 3).astype(np.float32).astype(np.float64))
    x = x.reshape(1, SIZE, SIZE, 3).permute(0, 3, 1, 2)
    result = {"input": [SIZE, SIZE, 3], "classes": CLASSES,
              "logits": [float(f"{v:.7g}") for v in model(x)[0].tolist()], "maps": []}
    for place, (node, module) in enumerate(nodes(model).items()):
        for method, kind in {"grad-cam": GradCAM, "hirescam": HiResCAM}.items():
            for label in range(4 if place else CLASSES):
                values = explained(model, module, kind, label, x)
                result["maps"].append({"node": node, "method": method, "class": label, "height": len(values),
                                       "width": len(values[0]), "values": [float(f"{v:.4f}") for v in values.ravel()]})
    return result


def inverted(m): return {"bn2.act": m.bn2, "blocks.4.2.add": m.blocks[4][2]}


def residual(m):
    return {f"layer4.{len(m.layer4) - 1}.act": m.layer4[-1], f"layer3.{len(m.layer3) - 1}.act": m.layer3[-1]}


results = {"seed": run(seed(), lambda m: {"relu4": m.relu4, "conv3": m.conv3})}
for name, model, nodes in [
        ("resnet18", "resnet18", residual), ("resnet50", "resnet50", residual),
        ("mobilenetv2", "mobilenetv2_100", inverted), ("efficientnet-lite0", "efficientnet_lite0", inverted),
        ("tf-efficientnet-lite0", "tf_efficientnet_lite0", inverted), ("efficientnet-b0", "efficientnet_b0", inverted)]:
    results[name] = run(timm.create_model(model, num_classes=CLASSES), nodes)
    print(name, [sum(m["values"]) for m in results[name]["maps"]])
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gradcam.json")
with open(path, "w") as f: json.dump(results, f, separators=(",", ":"))
print(os.path.getsize(path), "bytes")
