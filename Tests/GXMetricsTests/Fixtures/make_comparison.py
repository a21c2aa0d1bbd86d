"""Makes comparison.json: two classifiers on the same records, and what others say of them. Needs statsmodels,
scikit-learn and SciPy."""

import json
import warnings
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn import metrics
from statsmodels.stats.contingency_tables import mcnemar

warnings.filterwarnings("ignore")
rng = np.random.default_rng(8)

CLASSES = ["E", "Irr", "S", "S0"]


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def classifier(truth, lift):
    logits = rng.normal(size=(len(truth), 4))
    logits[np.arange(len(truth)), truth] += lift
    # Two digits, so that there are ties.
    return np.round(softmax(1.5 * logits), 2)


def aurc(confidence, right):
    """The mean selective risk over coverages 1/n … 1, and over many orders of those that are tied."""
    total = 0.0
    for _ in range(400):
        order = np.lexsort((rng.random(len(right)), -confidence))
        wrong = np.cumsum(~right[order])
        total += (wrong / np.arange(1, len(right) + 1)).mean()
    return total / 400


def difference(score):
    """The paired percentile bootstrap of score(truth, a, p) - score(truth, b, q), by SciPy."""

    def statistic(places):
        return score(truth[places], here[places]) - score(truth[places], other[places])

    drawn = stats.bootstrap(
        (np.arange(len(truth)),), statistic, vectorized=False, n_resamples=4000, method="percentile", random_state=1)
    return {
        "difference": statistic(np.arange(len(truth))),
        "interval": [drawn.confidence_interval.low, drawn.confidence_interval.high],
    }


truth = rng.choice(4, 300, p=[0.2, 0.1, 0.5, 0.2])
here, other = classifier(truth, 1.4), classifier(truth, 1.0)
right, otherRight = here.argmax(1) == truth, other.argmax(1) == truth
table = [
    [(right & otherRight).sum(), (right & ~otherRight).sum()],
    [(~right & otherRight).sum(), (~right & ~otherRight).sum()],
]

out = {
    "classes": CLASSES,
    "truth": truth.tolist(),
    "here": here.tolist(),
    "other": other.tolist(),
    "aurc": aurc(here.max(1), right),
    "mcnemar": mcnemar(table, exact=True).pvalue,
    "differences": {
        "accuracy": difference(lambda t, p: metrics.accuracy_score(t, p.argmax(1))),
        "macro_f1": difference(lambda t, p: metrics.f1_score(t, p.argmax(1), average="macro", zero_division=0)),
        "nll": difference(
            lambda t, p: -np.log(np.clip(p[np.arange(len(t)), t], np.finfo(float).eps, None)).mean()),
    },
    # [b, c, p] of McNemar's exact test.
    "pairs": [
        [b, c, mcnemar([[0, b], [c, 0]], exact=True).pvalue]
        for b, c in [(0, 0), (1, 0), (0, 6), (3, 3), (2, 9), (9, 2), (12, 25), (80, 120), (700, 900), (20000, 20900)]
    ],
}
for b, c, p in out["pairs"]:
    assert b + c == 0 or np.isclose(p, stats.binomtest(b, b + c).pvalue, rtol=1e-9)
Path(__file__).with_name("comparison.json").write_text(json.dumps(out))
