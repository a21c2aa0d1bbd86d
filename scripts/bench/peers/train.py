"""Training steps of a peer on one batch of random pixels: forward, backward, Adam; two threads.

    train.py torch|keras ARCH SIZE BATCH THREADS
"""
import os
import sys

from rounds import serve

framework, arch = sys.argv[1:3]
size, batch, threads = map(int, sys.argv[3:])


def torch_step():
    import torch
    import torch_models

    torch.set_num_threads(threads)
    model = torch_models.make(arch).to(memory_format=torch.channels_last).train()
    x = torch.randn(batch, 3, size, size).to(memory_format=torch.channels_last)
    y = torch.randint(0, 4, (batch,))
    optimizer, loss = torch.optim.Adam(model.parameters(), fused=True), torch.nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return step, torch.__version__


def keras_step():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import numpy as np
    import tensorflow as tf
    from tensorflow.keras import Sequential, applications
    from tensorflow.keras import layers as L

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    shape = (size, size, 3)
    if arch == "seed":
        layers = [L.Input(shape)]
        for i, channels in enumerate([32, 64, 128, 256]):
            layers += [L.Conv2D(channels, 3, activation="relu")] + ([L.MaxPooling2D()] if i < 3 else [])
        layers += [L.GlobalAveragePooling2D(), L.Dense(512, activation="relu"), L.Dropout(0.5)]
        model = Sequential([*layers, L.Dense(4, activation="softmax")])
    else:
        name = {"mobilenetv2": "MobileNetV2", "resnet50": "ResNet50", "efficientnet-b0": "EfficientNetB0"}[arch]
        model = getattr(applications, name)(weights=None, classes=4, input_shape=shape)
    model.compile("adam", "categorical_crossentropy")
    x = np.random.rand(batch, *shape).astype("float32")
    y = np.eye(4, dtype="float32")[np.random.randint(0, 4, batch)]
    return (lambda: model.train_on_batch(x, y)), tf.__version__


serve(*{"torch": torch_step, "keras": keras_step}[framework]())
