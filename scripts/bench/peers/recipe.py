#!/usr/bin/env python3
"""The original project's recipe in Keras: its CNN, its augmentation, Adam, a halving rate and early stopping.

    recipe.py DATADIR SIZE [EPOCHS]

DATADIR holds images/ and labels.csv (path,label,split). Trains on split train; a JSON line an epoch on stdout:
epoch, seconds since the program began, val_accuracy, val_macro_f1, val_loss.
"""
import time
BEGIN = time.time()
import csv, json, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, tensorflow as tf
from tensorflow.keras import Sequential, callbacks, layers as L

folder, size = sys.argv[1], int(sys.argv[2])
epochs = int(sys.argv[3]) if len(sys.argv) > 3 else 50
tf.config.threading.set_intra_op_parallelism_threads(2)
rows = list(csv.DictReader(open(os.path.join(folder, "labels.csv"))))
classes = sorted({row["label"] for row in rows})


def load(path, label):
    picture = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    return tf.image.resize(picture, [size, size], antialias=True) / 255.0, label


def split(name):
    chosen = [row for row in rows if row["split"] == name]
    paths = [os.path.join(folder, row["path"]) for row in chosen]
    labels = tf.one_hot([classes.index(row["label"]) for row in chosen], len(classes))
    return tf.data.Dataset.from_tensor_slices((paths, labels)).map(load, num_parallel_calls=2).cache(), len(chosen)


augment = Sequential([L.RandomFlip("horizontal_and_vertical"), L.RandomRotation(0.5, fill_mode="reflect"),
                      L.RandomZoom(0.15, fill_mode="reflect"), L.RandomTranslation(0.04, 0.04, fill_mode="reflect")])
train, count = split("train")
train = train.shuffle(count).batch(32).map(lambda x, y: (augment(x, training=True), y), num_parallel_calls=2).prefetch(2)
val = split("val")[0].batch(64).prefetch(1)
truth = np.concatenate([y.numpy().argmax(1) for _, y in val])
model = Sequential([L.Input((size, size, 3)), L.Conv2D(32, 3, activation="relu"), L.MaxPooling2D(),
                    L.Conv2D(64, 3, activation="relu"), L.MaxPooling2D(), L.Conv2D(128, 3, activation="relu"),
                    L.MaxPooling2D(), L.Conv2D(256, 3, activation="relu"), L.GlobalAveragePooling2D(),
                    L.Dense(512, activation="relu"), L.Dropout(0.5), L.Dense(len(classes), activation="softmax")])
model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])


def macro_f1(truth, found):
    scores = []
    for k in range(len(classes)):
        right, both = np.sum((truth == k) & (found == k)), np.sum(truth == k) + np.sum(found == k)
        scores.append(2 * right / both if both else 0.0)
    return float(np.mean(scores))


class Report(callbacks.Callback):
    def on_epoch_end(self, epoch, logs):
        found = model.predict(val, verbose=0).argmax(1)
        print(json.dumps({"epoch": epoch + 1, "seconds": round(time.time() - BEGIN, 1),
                          "val_macro_f1": round(macro_f1(truth, found), 4),
                          "val_accuracy": round(float(np.mean(truth == found)), 4),
                          "val_loss": round(float(logs["val_loss"]), 4)}), flush=True)


model.fit(train, validation_data=val, epochs=epochs, verbose=0, callbacks=[
    Report(), callbacks.ReduceLROnPlateau(factor=0.5, patience=3), callbacks.EarlyStopping(patience=7)])
