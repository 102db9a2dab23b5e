"""What WSC's embedding and a majority vote make of wrong action units.

    python tests/benchmarks/weak_clusters.py

Rendered posed faces, whose units are known; a share of the annotations of each unit is
turned around; then each unit is relabelled by clusters of the embedding. Printed: F1 of
the labels, mean over units, before and after. Nothing is trained.
"""

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.metrics import f1_score

from kerasfer.data.synthetic import ACTION_UNITS, render
from kerasfer.data.weak_clusters import relabel, weakly_supervised_embedding
from kerasfer.experiments.floors import hog

FACES, CLUSTERS, SEEDS = 1000, 60, (0, 1, 2)


def mean_f1(labels, truth):
    return 100 * np.mean(
        [f1_score(t, y) for t, y in zip(truth.T, labels.T, strict=True)]
    )


def main():
    rows = []
    for seed in SEEDS:
        images, _, units, _ = render(FACES, seed, domain="posed")
        truth = (units > 0).astype(int)
        features = PCA(50, random_state=0).fit_transform(hog(images))
        for wrong in (0.1, 0.2, 0.3):
            rng = np.random.default_rng([seed, int(100 * wrong)])
            given = np.where(rng.random(truth.shape) < wrong, 1 - truth, truth)
            row = {"wrong": wrong, "seed": seed, "given": mean_f1(given, truth)}
            for name, weight in (("clusters alone", 0.0), ("WSC", 1.0)):
                again = np.stack(
                    [
                        relabel(
                            weakly_supervised_embedding(features, y, 10, weight),
                            y,
                            CLUSTERS,
                        )
                        for y in given.T
                    ],
                    1,
                )
                row[name] = mean_f1(again, truth)
            rows.append(row)
            print(row, flush=True)
    print(f"{FACES} faces, {len(ACTION_UNITS)} units, {CLUSTERS} clusters")
    table = (
        pd.DataFrame(rows).groupby("wrong").agg(["mean", "std"]).drop(columns="seed")
    )
    print(table.round(1).to_markdown())


if __name__ == "__main__":
    main()
