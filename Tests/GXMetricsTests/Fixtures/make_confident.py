#!/usr/bin/env python3
"""Makes confident.json: what cleanlab (Northcutt et al., PyPI `cleanlab`) finds in labels and probabilities that are drawn
here. For each case: labels, probabilities, thresholds (null where no record is labelled so), joint (counts by label and
confident class), estimate (shares), and suspects (places, the worst by normalised margin first).

    make_confident.py        (needs numpy, scikit-learn, cleanlab)
"""
import json, os
import numpy as np
from cleanlab.count import compute_confident_joint, estimate_joint, get_confident_thresholds
from cleanlab.filter import find_label_issues


def case(records, shares, flipped, sharpness, seed):
    random = np.random.default_rng(seed)
    classes = len(shares)
    truth = random.choice(classes, records, p=shares)
    labels = np.where(random.random(records) < flipped, random.choice(classes, records, p=shares), truth)
    weights = np.full((records, classes), 0.4)
    weights[np.arange(records), truth] += sharpness
    p = np.array([random.dirichlet(w) for w in weights]).round(4)
    p[:, 0] = (1 - p[:, 1:].sum(axis=1)).round(4)
    seen = set(labels.tolist())
    found = find_label_issues(labels, p, filter_by="confident_learning", return_indices_ranked_by="normalized_margin",
                              n_jobs=1)
    joint = compute_confident_joint(labels, p, calibrate=False)
    estimate = estimate_joint(labels, p, confident_joint=joint)
    thresholds = get_confident_thresholds(labels, p)
    return {"labels": labels.tolist(), "probabilities": p.tolist(),
            "thresholds": [t if k in seen else None for k, t in enumerate(thresholds)],
            "joint": joint.tolist(), "estimate": estimate.tolist(), "suspects": found.tolist()}


cases = [case(120, [0.5, 0.25, 0.15, 0.1], 0.15, 2, 1), case(80, [0.6, 0.4], 0.1, 3, 2),
         case(60, [0.5, 0.5, 0], 0.2, 2, 3)]
for c in cases: print(len(c["suspects"]), c["joint"], c["thresholds"], np.trace(np.array(c["estimate"])))
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "confident.json"), "w") as f:
    json.dump(cases, f, separators=(",", ":"))
