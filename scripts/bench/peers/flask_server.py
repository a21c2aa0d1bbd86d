"""The server that gx-serve takes the place of, as it was run: Flask's own threaded server, flask-cors, PIL, Keras.

    flask_server.py PORT [lite0|mobilenetv2|seed] [SIZE]

Prints a JSON line once it listens. The network has random weights, which cost the same time: EfficientNet-Lite0 as in
gx's box (3.4 million parameters), Keras' own MobileNetV2, or the original's small CNN. Needs flask, flask-cors, pillow
and tensorflow.
"""
import datetime
import importlib.metadata
import io
import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import flask
import flask_cors
import numpy as np
import PIL.Image
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers as L

port, arch, size = int(sys.argv[1]), (sys.argv[2:] or ["lite0"])[0], int((sys.argv[3:] or ["160"])[0])
CLASSES = ["Elliptical", "Irregular", "Lenticular", "Spiral"]
GALAXIES = {name: {"description": f"{name} galaxies.", "examples": ["M31"]} for name in CLASSES}


def lite0(shape):
    """EfficientNet-Lite0: Table 1 of Tan & Le 2019 without squeeze-and-excitation, ReLU6, a fixed stem and head."""
    x = source = L.Input(shape)

    def conv(x, channels, kernel, stride=1, activated=True):
        x = L.BatchNormalization()(L.Conv2D(channels, kernel, stride, "same", use_bias=False)(x))
        return L.ReLU(6)(x) if activated else x

    x = conv(x, 32, 3, 2)
    stages = [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
              (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)]
    for expansion, kernel, stride, channels, depth in stages:
        for block in range(depth):
            before = x
            if expansion > 1:
                x = conv(x, expansion * x.shape[-1], 1)
            x = L.DepthwiseConv2D(kernel, stride if block == 0 else 1, "same", use_bias=False)(x)
            x = conv(L.ReLU(6)(L.BatchNormalization()(x)), channels, 1, activated=False)
            if block > 0:
                x = L.Add()([x, before])
    x = L.Dropout(0.2)(L.GlobalAveragePooling2D()(conv(x, 1280, 1)))
    return keras.Model(source, L.Dense(len(CLASSES), activation="softmax")(x))


def seed(shape):
    stack = [L.Input(shape)]
    for i, channels in enumerate([32, 64, 128, 256]):
        stack += [L.Conv2D(channels, 3, activation="relu")] + ([L.MaxPooling2D()] if i < 3 else [])
    stack += [L.GlobalAveragePooling2D(), L.Dense(512, activation="relu"), L.Dropout(0.5)]
    return keras.Sequential([*stack, L.Dense(len(CLASSES), activation="softmax")])


def mobilenetv2(shape):
    return keras.applications.MobileNetV2(weights=None, classes=len(CLASSES), input_shape=shape)


model = {"lite0": lite0, "seed": seed, "mobilenetv2": mobilenetv2}[arch]((size, size, 3))
app = flask.Flask(__name__)
flask_cors.CORS(app)


def prepared(data):
    picture = PIL.Image.open(io.BytesIO(data)).convert("RGB").resize((size, size))
    return np.expand_dims(np.asarray(picture, dtype="float32") / 255, 0)


def fault(error, message):
    return flask.jsonify({"error": error, "message": message}), 400


@app.post("/api/classify")
def classify():
    if "image" not in flask.request.files:
        return fault("No image provided", "Please provide an image file.")
    file = flask.request.files["image"]
    if file.filename == "":
        return fault("No image selected", "Please select an image file.")
    try:
        batch = prepared(file.read())
    except Exception as error:
        return fault("Invalid image", str(error))
    shares = model.predict(batch, verbose=0)[0]
    order = np.argsort(shares)[::-1]
    best = CLASSES[order[0]]
    return flask.jsonify({
        "success": True, "galaxy_type": best, "confidence": float(shares[order[0]]),
        "confidence_percentage": f"{shares[order[0]] * 100:.2f}%",
        "all_predictions": [
            {"class": CLASSES[i], "probability": float(shares[i]), "percentage": f"{shares[i] * 100:.2f}%"} for i in order
        ],
        "galaxy_info": GALAXIES[best], "timestamp": datetime.datetime.now().isoformat(),
    })


@app.get("/api/health")
def health():
    return flask.jsonify({"status": "healthy", "model_loaded": model is not None, "version": "1.0.0"})


@app.get("/api/info")
def info():
    return flask.jsonify({
        "classes": CLASSES, "num_classes": len(CLASSES), "input_size": [size, size], "galaxy_types": GALAXIES})


if __name__ == "__main__":
    import logging

    import werkzeug

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    model.predict(np.zeros((1, size, size, 3), "float32"), verbose=0)
    server = werkzeug.serving.make_server("127.0.0.1", port, app, threaded=True)
    print(json.dumps({
        "port": server.server_port, "arch": arch, "size": size, "parameters": model.count_params(),
        "version": f"Flask {importlib.metadata.version('flask')}, TensorFlow {tf.__version__}",
    }), flush=True)
    server.serve_forever()
