"""An ONNX file of a network with random weights, made by PyTorch: export.py ARCH SIZE FILE.onnx"""
import sys

import torch
import torch_models

arch, size, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
torch.onnx.export(
    torch_models.make(arch).eval(), torch.zeros(1, 3, size, size), path, input_names=["input"],
    output_names=["logits"], dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}}, opset_version=17,
    dynamo=False)
