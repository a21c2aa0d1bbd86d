#!/usr/bin/env python3
"""Makes gradcam.json: the maps of pytorch-grad-cam (Gildenblat et al., PyPI `grad-cam`), computed in f64 with weights
and a picture that follow from a formula, so that the file need not hold them. For each of our names:
  input [H,W,C], classes, logits, maps [{node, method, class, height, width, values}],
  spread [{node, method, class, values}] and occlusions [{class, patch, stride, values}] (of two networks).
Maps are as the package has them before it brings them to the picture's size: ReLU of the weighted sum of activations,
here scaled to a largest value of 1; all zeros where nothing speaks for the class. (The package also takes off the
smallest value first, which is 0 for most.) Of `spread`, what it brings to the picture's size, where that smallest is 0;
every STEPth pixel from STEP / 2 on. Occlusions are captum's (PyPI `captum`), likewise ReLU, scaled, and thinned out.

    make_gradcam.py        (needs torch, timm, numpy, grad-cam, captum)
"""
import collections, json, os
import numpy as np, timm, torch
from torch import nn
from captum.attr import Occlusion
from pytorch_grad_cam import GradCAM, HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from formula import made, uniform

SIZE, CLASSES, STEP = 96, 8, 8
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


def spread(model, module, kind, label, x):
    """The package's own result, `[height, width]` of the picture."""
    with kind(model=model, target_layers=[module]) as cam:
        return cam(input_tensor=x, targets=[ClassifierOutputTarget(label)])[0]


def occluded(model, label, patch, stride, x):
    """What the logit falls by where the picture's mean colour covers it, `[height, width]`."""
    result = Occlusion(model).attribute(x, (3, patch, patch), (3, stride, stride), target=label,
                                        baselines=x.mean(dim=(2, 3), keepdim=True).expand_as(x).clone())
    assert torch.equal(result[0, 0], result[0, 2])
    values = np.maximum(result[0, 0].detach().numpy(), 0)
    return values / values.max()


def thinned(values): return [float(f"{v:.4f}") for v in values[STEP // 2::STEP, STEP // 2::STEP].ravel()]


def run(model, nodes, more=False):
    model = model.double().eval()
    state = model.state_dict()
    model.load_state_dict({k: v if "num_batches" in k else made(k, v.shape, lively=True) for k, v in state.items()})
    x = torch.tensor(uniform("input", SIZE * SIZE * 3).astype(np.float32).astype(np.float64))
    x = x.reshape(1, SIZE, SIZE, 3).permute(0, 3, 1, 2)
    result = {"input": [SIZE, SIZE, 3], "classes": CLASSES,
              "logits": [float(f"{v:.7g}") for v in model(x)[0].tolist()], "maps": []}
    for place, (node, module) in enumerate(nodes(model).items()):
        for method, kind in {"gradcam": GradCAM, "hirescam": HiResCAM}.items():
            for label in range(4 if place else CLASSES):
                values = explained(model, module, kind, label, x)
                result["maps"].append({"node": node, "method": method, "class": label, "height": len(values),
                                       "width": len(values[0]), "values": [float(f"{v:.4f}") for v in values.ravel()]})
    if not more: return result
    node, module = next(iter(nodes(model).items()))
    shown = [label for label in range(CLASSES)
             if (values := explained(model, module, GradCAM, label, x)).min() == 0 and values.max() > 0]
    result["spread"] = [
        {"node": node, "method": method, "class": label, "values": thinned(spread(model, module, kind, label, x))}
        for method, kind in {"gradcam": GradCAM, "hirescam": HiResCAM}.items() for label in shown[:2]]
    result["occlusions"] = [
        {"class": label, "patch": patch, "stride": stride, "values": thinned(occluded(model, label, patch, stride, x))}
        for label, patch, stride in [(0, 32, 16), (1, 25, 20)]]
    return result


def inverted(m): return {"bn2.act": m.bn2, "blocks.4.2.add": m.blocks[4][2]}


def residual(m):
    return {f"layer4.{len(m.layer4) - 1}.act": m.layer4[-1], f"layer3.{len(m.layer3) - 1}.act": m.layer3[-1]}


results = {"seed": run(seed(), lambda m: {"relu4": m.relu4, "conv3": m.conv3}, more=True)}
for name, model, nodes in [
        ("resnet18", "resnet18", residual), ("resnet50", "resnet50", residual),
        ("mobilenetv2", "mobilenetv2_100", inverted), ("efficientnet-lite0", "efficientnet_lite0", inverted),
        ("tf-efficientnet-lite0", "tf_efficientnet_lite0", inverted), ("efficientnet-b0", "efficientnet_b0", inverted)]:
    results[name] = run(timm.create_model(model, num_classes=CLASSES), nodes, more=name == "resnet18")
    print(name, [sum(m["values"]) for m in results[name]["maps"]])
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gradcam.json")
with open(path, "w") as f: json.dump(results, f, separators=(",", ":"))
print(os.path.getsize(path), "bytes")
