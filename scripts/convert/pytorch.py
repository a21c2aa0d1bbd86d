#!/usr/bin/env python3
"""Turns a PyTorch checkpoint into safetensors, which gx-train --weights reads.

    scripts/convert/pytorch.py weights.pth weights.safetensors [--half]

Names of tensors are kept. A state_dict may be nested, as training frameworks save it (under "state_dict", say); the
checkpoint is read without running any code in it. Needs torch and safetensors.
"""
import argparse, pathlib, sys
import torch
from safetensors.torch import save_file

NESTS = ("state_dict_ema", "state_dict", "model_state_dict", "model_ema", "model", "net", "weights")


def state_dict(checkpoint):
    """The innermost dictionary of tensors."""
    while isinstance(checkpoint, dict) and not any(isinstance(v, torch.Tensor) for v in checkpoint.values()):
        nest = next((n for n in NESTS if isinstance(checkpoint.get(n), dict)), None)
        if nest is None:
            sys.exit(f"no tensors; the checkpoint holds {', '.join(map(str, checkpoint)) or 'nothing'}")
        checkpoint = checkpoint[nest]
    if not isinstance(checkpoint, dict):
        sys.exit(f"the checkpoint is a {type(checkpoint).__name__}, not a dictionary of tensors")
    return {name: value for name, value in checkpoint.items() if isinstance(value, torch.Tensor)}


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("checkpoint", type=pathlib.Path)
parser.add_argument("output", type=pathlib.Path)
parser.add_argument("--half", action="store_true", help="write f16 instead of f32")
options = parser.parse_args()

dtype = torch.float16 if options.half else torch.float32
tensors = state_dict(torch.load(options.checkpoint, map_location="cpu", weights_only=True))
# Copies, for safetensors refuses tensors that share memory.
tensors = {name: (t.to(dtype) if t.is_floating_point() else t).clone().contiguous() for name, t in tensors.items()}
save_file(tensors, options.output, metadata={"format": "pt", "source": options.checkpoint.name})
print(f"{options.output}: {len(tensors)} tensors, {sum(t.numel() for t in tensors.values())} numbers", file=sys.stderr)
