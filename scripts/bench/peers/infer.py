"""Inference of a peer runtime on an ONNX file and random pixels.

    infer.py onnxruntime|openvino|openvino-default FILE.onnx BATCH THREADS

openvino computes in f32, as the others do; openvino-default in what it chooses itself, which may be bf16.
"""
import sys

import numpy as np
from rounds import serve

runtime, path = sys.argv[1:3]
batch, threads = map(int, sys.argv[3:])


def onnxruntime():
    import onnxruntime as rt

    options = rt.SessionOptions()
    options.intra_op_num_threads = threads
    session = rt.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    node = session.get_inputs()[0]
    x = np.random.rand(batch, *node.shape[1:]).astype(np.float32)
    return (lambda: session.run(None, {node.name: x})), rt.__version__


def openvino(default=False):
    import openvino as ov

    core = ov.Core()
    model = core.read_model(path)
    shape = [batch] + [size.get_length() for size in list(model.inputs[0].partial_shape)[1:]]
    model.reshape(shape)
    hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    if not default:
        hints["INFERENCE_PRECISION_HINT"] = "f32"
    compiled = core.compile_model(model, "CPU", hints)
    x = np.random.rand(*shape).astype(np.float32)
    return (lambda: compiled([x])), ov.__version__.split("-")[0]


runtimes = {"onnxruntime": onnxruntime, "openvino": openvino, "openvino-default": lambda: openvino(default=True)}
serve(*runtimes[runtime]())
