"""The networks of the bench in PyTorch, random weights, four classes."""


def make(arch):
    import torch.nn as nn

    if arch == "seed":
        channels, layers = [3, 32, 64, 128, 256], []
        for i in range(4):
            layers += [nn.Conv2d(channels[i], channels[i + 1], 3), nn.ReLU(inplace=True)]
            layers += [nn.MaxPool2d(2)] if i < 3 else []
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 512), nn.ReLU(), nn.Dropout(0.5)]
        return nn.Sequential(*layers, nn.Linear(512, 4))
    if arch == "efficientnet-lite0":
        import timm

        return timm.create_model("efficientnet_lite0", num_classes=4)
    import torchvision.models as models

    name = {"mobilenetv2": "mobilenet_v2", "efficientnet-b0": "efficientnet_b0"}.get(arch, arch)
    return getattr(models, name)(weights=None, num_classes=4)
