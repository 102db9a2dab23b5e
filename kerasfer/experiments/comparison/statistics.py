"""Whether one method is better than another: over seeds, and over test faces."""

import numpy as np
import pandas as pd
from scipy import stats

_DRAWS = 1000
_EQUAL = 1e-9  # what rounding makes of equal differences
FEW = 5  # pairs, below which a test over seeds says little


def over_seeds(values, reference):
    """Paired differences of a score to one method.

    Args:
        values: method -> {pair -> score}.
        reference: one of the methods.

    Returns:
        data frame with method, pairs, difference (method less reference), se, t (the
        p-value of a paired t-test) and Wilcoxon (of a signed-rank test); NaN where
        there are too few pairs, or all are equal.
    """
    rows, base = [], values[reference]
    for method, scores in values.items():
        shared = [pair for pair in scores if pair in base]
        if method == reference or not shared:
            continue
        differences = np.array([scores[pair] - base[pair] for pair in shared])
        count = len(differences)
        varied = count > 1 and np.ptp(differences) > _EQUAL
        rows.append(
            {
                "method": method,
                "pairs": count,
                "difference": differences.mean(),
                "se": differences.std(ddof=1) / count**0.5 if count > 1 else np.nan,
                "t": stats.ttest_1samp(differences, 0).pvalue if varied else np.nan,
                "Wilcoxon": stats.wilcoxon(differences).pvalue if varied else np.nan,
            }
        )
    return pd.DataFrame(rows)


def over_faces(right, reference, seed=0):
    """Differences on the same test faces: what chance in the choice of them may do.

    Args:
        right: method -> {pair -> {path -> whether that face was right}}.
        reference: one of the methods.
        seed: of the draws.

    Returns:
        data frame with method, faces, only it (right where the reference is wrong; of
        the first pair), only the reference, McNemar (the exact p-value of these two),
        difference (of accuracies, mean over pairs), low and high (95 % of 1,000 draws
        of the faces). Methods without a pair on the same faces are left out.
    """
    rows, base = [], right[reference]
    for method, of_pairs in right.items():
        shared = _on_the_same_faces(base, of_pairs)
        if method == reference or not shared:
            continue
        faces = list(base[shared[0]])
        # (pairs, faces): 1 where only it is right, -1 where only the reference is.
        gaps = np.array(
            [[int(of_pairs[p][f]) - int(base[p][f]) for f in faces] for p in shared]
        )
        only, other = int((gaps[0] > 0).sum()), int((gaps[0] < 0).sum())
        either, of_faces = only + other, gaps.mean(0)
        rng, count = np.random.default_rng(seed), len(faces)
        draws = [of_faces[rng.integers(0, count, count)].mean() for _ in range(_DRAWS)]
        low, high = np.percentile(draws, (2.5, 97.5))
        rows.append(
            {
                "method": method,
                "faces": count,
                "only it": only,
                "only the reference": other,
                "McNemar": stats.binomtest(only, either).pvalue if either else 1.0,
                "difference": of_faces.mean(),
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(rows)


def _on_the_same_faces(base, others):
    """The pairs on which both were tested on the faces of the first such pair."""
    both = [p for p in base if p in others and base[p].keys() == others[p].keys()]
    return [pair for pair in both if base[pair].keys() == base[both[0]].keys()]
