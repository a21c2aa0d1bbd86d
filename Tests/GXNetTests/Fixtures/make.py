#!/usr/bin/env python3
"""Makes torch.safetensors: what PyTorch computes for small graphs, as the judge of GXNet.

For each case NAME, `__metadata__` holds the graph's JSON, and the tensors are
  NAME/input [N,H,W,C], NAME/dlogits [N,K], NAME/logits (training), NAME/eval (inference, after the step),
  NAME/weight/W, NAME/gradient/W, NAME/after/W (running statistics after one training pass).
Case `adam` is a training run: NAME/targets (class numbers), NAME/losses of ten Adam steps.

    make.py        (needs torch, numpy, safetensors)
"""
import json, os
import numpy as np, torch, torch.nn.functional as F
from safetensors.numpy import save_file

torch.set_num_threads(1)
ACTIVATIONS = {
    "relu": F.relu, "leaky_relu": F.leaky_relu, "relu6": F.relu6, "elu": F.elu, "sigmoid": torch.sigmoid,
    "tanh": torch.tanh, "silu": F.silu, "gelu": F.gelu, "hardswish": F.hardswish}


def run(graph, weights, x, training):
    """The graph in PyTorch; x is NHWC. Running statistics in `weights` change in training."""
    values = {"input": x.permute(0, 3, 1, 2)}
    for node in graph["nodes"]:
        name, op, a = node["name"], node["op"], [values[i] for i in node["inputs"]]
        w = lambda suffix: weights.get(f"{name}.{suffix}")
        window = {k: tuple(node[k]) for k in ("stride", "padding") if k in node}
        if op == "conv":
            x = a[0]
            if "padding_after" in node:
                (top, left), (bottom, right) = window.pop("padding"), node["padding_after"]
                x = F.pad(x, (left, right, top, bottom))
            y = F.conv2d(x, w("weight"), w("bias"), dilation=tuple(node["dilation"]), groups=node["groups"], **window)
        elif op == "batch_norm":
            y = F.batch_norm(a[0], w("running_mean"), w("running_var"), w("weight"), w("bias"), training,
                             node["momentum"], node["eps"])
        elif op == "max_pool": y = F.max_pool2d(a[0], tuple(node["kernel"]), **window)
        elif op == "avg_pool": y = F.avg_pool2d(a[0], tuple(node["kernel"]), **window)
        elif op == "global_avg_pool": y = a[0].mean((2, 3))
        elif op == "add": y = a[0] + a[1]
        elif op == "mul": y = a[0] * a[1][:, :, None, None]
        elif op == "linear": y = F.linear(a[0].flatten(1), w("weight"), w("bias"))
        else: y = ACTIVATIONS[op](a[0])
        values[name] = y
    return y


class Builder:
    def __init__(self, size, seed=1):
        self.graph = {"input": list(size), "initializer": "he", "nodes": []}
        self.weights, self.channels, self.shape = {}, {"input": size[2]}, {"input": tuple(size[:2])}
        self.random = np.random.default_rng(seed)
        self.last = "input"

    def draw(self, *shape, scale=1.0, offset=0.0):
        return torch.tensor(self.random.normal(offset, scale, shape))

    def add(self, name, op, *inputs, **fields):
        inputs = list(inputs) or [self.last]
        self.graph["nodes"].append({"name": name, "op": op, "inputs": inputs, **fields})
        c, (h, w) = self.channels[inputs[0]], self.shape[inputs[0]] or (1, 1)
        self.shape[name] = self.shape[inputs[0]]
        if "kernel" in fields:
            (kh, kw), (sh, sw), (ph, pw) = fields["kernel"], fields["stride"], fields["padding"]
            dh, dw = fields.get("dilation", (1, 1))
            qh, qw = fields.get("padding_after", (ph, pw))
            self.shape[name] = ((h + ph + qh - dh * (kh - 1) - 1) // sh + 1, (w + pw + qw - dw * (kw - 1) - 1) // sw + 1)
        if op == "conv":
            kernel, groups = fields["kernel"], fields["groups"]
            fan = c // groups * kernel[0] * kernel[1]
            self.weights[f"{name}.weight"] = self.draw(fields["channels"], c // groups, *kernel, scale=fan ** -0.5)
            if fields["bias"]: self.weights[f"{name}.bias"] = self.draw(fields["channels"], scale=0.3)
            c = fields["channels"]
        elif op == "linear":
            n = c * h * w
            self.weights[f"{name}.weight"] = self.draw(fields["features"], n, scale=n ** -0.5)
            if fields["bias"]: self.weights[f"{name}.bias"] = self.draw(fields["features"], scale=0.3)
            c, self.shape[name] = fields["features"], None
        elif op == "batch_norm":
            self.weights[f"{name}.weight"] = self.draw(c, scale=0.3, offset=1)
            self.weights[f"{name}.bias"] = self.draw(c, scale=0.3)
            self.weights[f"{name}.running_mean"] = self.draw(c, scale=0.3)
            self.weights[f"{name}.running_var"] = self.draw(c, scale=0.2).abs() + 0.5
        elif op == "global_avg_pool": self.shape[name] = None
        self.channels[name], self.last = c, name
        return self

    def conv(self, name, channels, kernel, *inputs, stride=1, padding=0, dilation=1, groups=1, bias=True, **more):
        two = lambda v: list(v) if isinstance(v, tuple) else [v, v]
        return self.add(name, "conv", *inputs, channels=channels, kernel=two(kernel), stride=two(stride),
                        padding=two(padding), dilation=two(dilation), groups=groups, bias=bias, **more)

    def pool(self, name, kind, kernel, stride, padding=0):
        two = lambda v: list(v) if isinstance(v, tuple) else [v, v]
        return self.add(name, kind + "_pool", kernel=two(kernel), stride=two(stride), padding=two(padding))

    def norm(self, name, *inputs): return self.add(name, "batch_norm", *inputs, eps=1e-5, momentum=0.1)

    def end(self, classes=2):
        """What turns a picture into logits, so that every gradient is different in every place."""
        return self.add("logits", "linear", features=classes, bias=True)


def residual(b, name, channels, stride):
    """A basic block with a projected shortcut."""
    source = b.last
    b.conv(f"{name}.shortcut", channels, 1, source, stride=stride, bias=False).norm(f"{name}.shortcut.bn")
    b.conv(f"{name}.conv1", channels, 3, source, stride=stride, padding=1, bias=False).norm(f"{name}.bn1")
    b.add(f"{name}.relu1", "relu").conv(f"{name}.conv2", channels, 3, padding=1, bias=False).norm(f"{name}.bn2")
    b.add(f"{name}.add", "add", f"{name}.bn2", f"{name}.shortcut.bn").add(f"{name}.relu2", "relu")
    return b


def cases():
    def start(size=(5, 6, 3), channels=5, seed=1, bias=True):
        """A first convolution, so that the case's layer must give its own input's gradient."""
        return Builder(size, seed).conv("first", channels, 3, padding=1, bias=bias)

    def norm(channels=5):
        """The same with batch normalisation, before which a bias would have gradient 0."""
        return start(channels=channels, bias=False).norm("bn")
    yield "conv", start().conv("c", 10, 3, padding=1).end()
    yield "conv_16", start(channels=16).conv("c", 16, 3).end()
    yield "conv_5x3_stride", start().conv("c", 7, (5, 3), stride=(2, 3), padding=(2, 1)).end()
    yield "conv_1x1_stride", start(channels=16).conv("c", 24, 1, stride=2, bias=False).end()
    yield "conv_valid_dilated", start().conv("c", 5, 3, dilation=2, bias=False).end()
    yield "conv_groups", start(channels=6).conv("c", 12, 3, padding=1, groups=3).end()
    yield "conv_depthwise", start(channels=19).conv("c", 19, 3, stride=2, padding=1, groups=19).end()
    yield "conv_depthwise_16", start(channels=16).conv("c", 16, 5, padding=2, groups=16, bias=False).end()
    yield "conv_relu", start().add("r1", "relu").conv("c", 16, 3).add("r2", "relu").end()
    yield "batch_norm", norm().end()
    yield "batch_norm_relu", norm().add("r", "relu").conv("c", 5, 3, bias=False).norm("bn2").add("r2", "relu").end()
    yield "batch_norm_relu_16", norm(16).add("r", "relu").end()
    yield "batch_norm_vector", start(bias=False).add("p", "global_avg_pool").norm("bn").add("s", "silu").end()
    for name in ACTIVATIONS:
        yield name, norm().add("a", name).conv("c", 4, 1).add("a2", name).end()
    yield "max_pool", start().pool("p", "max", 2, 2).end()
    yield "max_pool_3", start(channels=16).pool("p", "max", 3, 2, 1).end()
    yield "avg_pool", start().pool("p", "avg", (2, 3), (2, 3)).end()
    yield "avg_pool_padded", start(channels=16).pool("p", "avg", 3, 2, 1).end()
    yield "global_avg_pool", start(channels=21).add("p", "global_avg_pool").end()
    b = norm(8)
    yield "add", b.conv("c", 8, 3, "bn", padding=1).add("s", "add", "c", "bn").add("t", "add", "s", "first").end()
    b = norm(16).add("r", "relu")
    yield "add_relu", b.conv("c", 16, 3, padding=1, bias=False).norm("bn2").add("s", "add", "r", "bn2").add("r2", "relu").end()
    yield "conv_3x3_stride", start(channels=8).conv("c", 12, 3, padding=1, stride=2).end()
    b = norm(8).add("r", "relu")
    yield "add_relu_8", b.conv("c", 8, 3, padding=1, bias=False).norm("bn2").add("s", "add", "r", "bn2").add("r2", "relu").end()
    yield "residual", residual(norm(8).add("r", "relu"), "block", 12, 2).add("p", "global_avg_pool").end()
    yield "linear", start(size=(5, 4, 2)).add("l", "linear", features=13, bias=False).add("r", "relu").end()
    yield "conv_padded_after", start().conv("c", 7, 3, stride=2, padding=(0, 1), padding_after=[1, 1]).end()
    yield "conv_depthwise_padded_after", start((8, 8, 3), 16).conv(
        "c", 16, 5, stride=2, padding=1, padding_after=[2, 2], groups=16, bias=False).end()
    for channels in 7, 16:
        b = norm(channels).add("r", "silu").add("p", "global_avg_pool").add("l", "linear", features=channels, bias=True)
        yield f"excite_{channels}", b.add("g", "sigmoid").add("m", "mul", "r", "g").conv("c", 4, 1).end()
    yield "first_depthwise", Builder((8, 8, 3)).conv("c", 3, 3, groups=3).conv("d", 8, 1).end()


tensors, graphs = {}, {}


def keep(name, tensor, dtype=np.float32):
    tensors[name] = np.ascontiguousarray(tensor.detach().numpy().astype(dtype))


def given(name, tensor, dtype):
    """What the computation starts from is rounded to f16, which keeps the file small, and kept as that."""
    keep(name, tensor, np.float16)
    return tensor.half().to(dtype)


for name, b in cases():
    torch.manual_seed(0)
    n = 2
    graphs[name] = json.dumps(b.graph)
    x = given(f"{name}/input", b.draw(n, *b.graph["input"]), torch.float64)
    weights = {k: given(f"{name}/weight/{k}", v, torch.float64) for k, v in b.weights.items()}
    trained = {k: v.requires_grad_() for k, v in weights.items() if "running" not in k}
    logits = run(b.graph, weights, x, True)
    dlogits = given(f"{name}/dlogits", b.draw(*logits.shape), torch.float64)
    keep(f"{name}/logits", logits)
    logits.backward(dlogits)
    for k, v in trained.items(): keep(f"{name}/gradient/{k}", v.grad)
    for k, v in weights.items():
        if "running" in k: keep(f"{name}/after/{k}", v)
    keep(f"{name}/eval", run(b.graph, weights, x, False))

# Ten Adam steps of a small residual network on eight pictures.
b = Builder((12, 12, 3), 7).conv("stem", 8, 3, padding=1, bias=False).norm("bn").add("relu", "relu")
residual(residual(b, "stage1", 8, 1), "stage2", 12, 2).add("pool", "global_avg_pool").end(4)
graphs["adam"] = json.dumps(b.graph)
x, targets = given("adam/input", b.draw(8, 12, 12, 3), torch.float32), torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])
weights = {k: given(f"adam/weight/{k}", v, torch.float32) for k, v in b.weights.items()}
keep("adam/targets", targets)
optimizer = torch.optim.Adam([v.requires_grad_() for k, v in weights.items() if "running" not in k], lr=1e-3)
losses = []
for _ in range(10):
    optimizer.zero_grad()
    loss = F.cross_entropy(run(b.graph, weights, x, True), targets)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
keep("adam/losses", torch.tensor(losses))
print(losses)

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch.safetensors")
save_file(tensors, path, metadata=graphs)
print(os.path.getsize(path), "bytes")
