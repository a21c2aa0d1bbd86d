#!/usr/bin/env python3
"""Makes curves.json: areas under ROC and precision-recall curves by scikit-learn, for scores with and without ties."""
import json
import pathlib

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

random = np.random.default_rng(3)
cases = []


def case(name, scores, truth):
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(truth, scores)
    cases.append({
        "name": name, "scores": [float(s) for s in scores], "truth": [bool(t) for t in truth],
        "auc": float(roc_auc_score(truth, scores)), "ap": float(average_precision_score(truth, scores)),
        "fpr": fpr.tolist(), "tpr": tpr.tolist(),
        # From the highest threshold down, without the point (0, 1) that scikit-learn adds.
        "precision": precision[:-1][::-1].tolist(), "recall": recall[:-1][::-1].tolist(),
    })


truth = random.random(40) < 0.3
case("distinct", np.round(random.normal(size=40) + truth, 6), truth)
case("ties", np.round(random.normal(size=40) + truth), truth)
case("all equal", np.full(12, 0.25), np.arange(12) < 5)
case("perfect", np.arange(8), np.arange(8) >= 5)
case("inverted", np.arange(8), np.arange(8) < 3)
path = pathlib.Path(__file__).with_name("curves.json")
path.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
