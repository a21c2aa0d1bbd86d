"""Makes scores.json: predictions and the scores that scikit-learn gives them. Needs scikit-learn >= 1.7."""

import json
import warnings
from pathlib import Path

import numpy as np
from sklearn import metrics

warnings.filterwarnings("ignore")


def ece(confidence, right, bins=15):
    """Expected calibration error as in Guo et al. 2017: bins (low, high]; 0 goes to the first."""
    edges = np.linspace(0, 1, bins + 1)
    edges[0] = -1
    total = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return total


def equal_mass_ece(confidence, right, bins=15):
    """The same over bins of equal numbers; equal confidences go with the first of them."""
    order = np.argsort(confidence, kind="stable")
    confidence, right = confidence[order], right[order]
    first = np.searchsorted(confidence, confidence, side="left")
    place = first * bins // len(confidence)
    return sum(
        (place == b).mean() * abs(confidence[place == b].mean() - right[place == b].mean()) for b in np.unique(place)
    )


def case(name, classes, truth, probabilities, predicted=None):
    probabilities = np.round(np.asarray(probabilities, float), 6)
    truth = np.asarray(truth)
    predicted = probabilities.argmax(1) if predicted is None else np.asarray(predicted)
    labels = list(range(classes))
    each = metrics.precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    onehot = np.eye(classes)[truth]
    confidence = probabilities[np.arange(len(truth)), predicted]
    clipped = np.clip(probabilities[np.arange(len(truth)), truth], np.finfo(float).eps, None)
    sums_to_one = np.allclose(probabilities.sum(1), 1, atol=1e-5)
    nll = metrics.log_loss(truth, probabilities, labels=labels) if sums_to_one else -np.log(clipped).mean()
    brier = ((probabilities - onehot) ** 2).sum(1).mean()
    if sums_to_one and classes > 2:
        assert np.isclose(brier, metrics.brier_score_loss(truth, probabilities, labels=labels, scale_by_half=False))
    return {
        "name": name,
        "classes": classes,
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "probabilities": probabilities.tolist(),
        "accuracy": metrics.accuracy_score(truth, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, predicted),
        "macro_f1": metrics.f1_score(truth, predicted, average="macro", zero_division=0),
        "precision": each[0].tolist(),
        "recall": each[1].tolist(),
        "f1": each[2].tolist(),
        "support": each[3].tolist(),
        "confusion": metrics.confusion_matrix(truth, predicted, labels=labels).tolist(),
        "nll": nll,
        "brier": brier,
        "ece": ece(confidence, (truth == predicted).astype(float)),
        "equal_mass_ece": equal_mass_ece(confidence, (truth == predicted).astype(float)),
        "classwise_ece": np.mean([ece(probabilities[:, k], onehot[:, k]) for k in range(classes)]),
    }


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


rng = np.random.default_rng(5)


def drawn(classes, records, weights, sharpness):
    truth = rng.choice(classes, records, p=weights)
    logits = rng.normal(size=(records, classes))
    logits[np.arange(records), truth] += 1
    return truth, softmax(sharpness * logits)


cases = [
    case("four classes, imbalanced", 4, *drawn(4, 200, [0.15, 0.05, 0.25, 0.55], 1.5)),
    case("two classes", 2, *drawn(2, 60, [0.4, 0.6], 1.0)),
    # Class 2 neither occurs nor is predicted, class 3 occurs and is never predicted, class 0 the reverse.
    case("classes that are missing", 4, [1, 1, 3, 1], [[0.7, 0.3, 0, 0], [0, 1, 0, 0], [0, 0.9, 0, 0.1], [0, 1, 0, 0]]),
    case("certain and wrong", 2, [0, 1], [[0, 1], [0.25, 0.75]]),
    case("the prediction is not the likeliest", 3, [0, 1, 2], [[0.5, 0.3, 0.2]] * 3, predicted=[1, 1, 2]),
]
Path(__file__).with_name("scores.json").write_text(json.dumps(cases))
