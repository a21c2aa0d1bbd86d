"""Makes calibration.json: logits, and what SciPy, scikit-learn and NumPy make of them."""

import json
from pathlib import Path

import numpy as np
from scipy import optimize, special, stats
from sklearn.calibration import _TemperatureScaling  # what CalibratedClassifierCV(method="temperature") fits

rng = np.random.default_rng(8)


def nll(logits, truth):
    return -special.log_softmax(logits, axis=1)[np.arange(len(truth)), truth].mean()


def temperature(logits, truth):
    found = optimize.minimize_scalar(
        lambda t: nll(logits / np.exp(t), truth), bounds=(-12, 12), method="bounded", options={"xatol": 1e-12}
    )
    return float(np.exp(found.x))


def vector(logits, truth):
    """Scales and biases; the biases sum up to 0."""
    k = logits.shape[1]
    onehot = np.eye(k)[truth]

    def loss(x):
        scaled = x[:k] * logits + x[k:]
        rest = (special.softmax(scaled, axis=1) - onehot) / len(truth)
        return nll(scaled, truth), np.concatenate([(rest * logits).sum(0), rest.sum(0)])

    start = np.concatenate([np.ones(k), np.zeros(k)])
    x = optimize.minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-11, "maxiter": 10000}).x
    return x[:k].tolist(), (x[k:] - x[k:].mean()).tolist()


def quantile(scores, coverage):
    n = len(scores)
    return float(np.quantile(scores, np.ceil((n + 1) * coverage) / n, method="inverted_cdf"))


def aps(p, k):
    return p[p > p[k]].sum()


def threshold(confidence, right, precision):
    """The smallest confidence from which on the lower Clopper-Pearson bound of the precision is high enough."""
    best = None
    for t in np.unique(confidence):
        kept = right[confidence >= t]
        low = stats.binomtest(int(kept.sum()), len(kept), alternative="greater").proportion_ci(0.95, method="exact").low
        if low >= precision and best is None:
            best = float(t)
    return best


def case(name, records, classes, sharpness, prior=None):
    truth = rng.choice(classes, records, p=prior)
    logits = rng.normal(size=(records, classes)) * sharpness
    logits[np.arange(records), truth] += 1.5 * sharpness
    logits = np.round(logits + rng.normal(size=(1, classes)) * 0.3, 4)
    t = temperature(logits, truth)
    p = special.softmax(logits / t, axis=1)
    scale, bias = vector(logits, truth)
    confidence, right = p.max(1), p.argmax(1) == truth
    return {
        "name": name,
        "truth": truth.tolist(),
        "logits": logits.tolist(),
        "temperature": t,
        "sklearn_temperature": float(1 / _TemperatureScaling().fit(logits, truth).beta_),
        "nll": nll(logits / t, truth),
        "scale": scale,
        "bias": bias,
        "vector_nll": nll(scale * logits + bias, truth),
        "lac": {c: quantile([1 - p[i, k] for i, k in enumerate(truth)], float(c)) for c in ("0.5", "0.9", "0.95")},
        "aps": {c: quantile([aps(p[i], k) for i, k in enumerate(truth)], float(c)) for c in ("0.5", "0.9", "0.95")},
        "abstention": {c: threshold(confidence, right, float(c)) for c in ("0.8", "0.9")},
    }


cases = [
    case("too sure", 200, 4, 3.0, [0.15, 0.1, 0.2, 0.55]),
    case("not sure enough", 150, 3, 0.4),
    case("two classes", 80, 2, 1.0),
]
Path(__file__).with_name("calibration.json").write_text(json.dumps(cases))
