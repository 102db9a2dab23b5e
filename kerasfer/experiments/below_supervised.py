"""Methods that end below supervised training on the same labelled faces."""

SUPERVISED = "supervised"
_SCORES = {
    "accuracy": "accuracy",
    "mean_class_accuracy": "mean class accuracy",
    "f1": "F1",
}


def below_supervised(long):
    """A sentence for each method that lost against its supervised row.

    Args:
        long: of `kerasfer.analysis.statistics`, scores as shares.

    Returns:
        sentences, empty where no method is called "supervised". What is said differs
        from 0 by a standard error at least, where there are several seeds.

    >>> below_supervised(pd.read_csv("runs/margin_mix/results.csv"))  # doctest: +SKIP
    ['margin_mix is below supervised training by 2.1 points of accuracy (se 0.4, ...']
    """
    from kerasfer.analysis.statistics import BEST_VALIDATION, paired

    honest = long[long["selection"] == BEST_VALIDATION]
    honest = honest[honest["metric"].isin(_SCORES)]
    if SUPERVISED not in set(honest["method"]):
        return []
    pairs = paired(honest, SUPERVISED)
    of_one = pairs["pairs"] == 1
    lost = pairs[pairs["difference"] < -pairs["se"].mask(of_one, 0)]
    return [
        f"{row.method} is below supervised training by {-100 * row.difference:.1f} "
        f"points of {_SCORES[row.metric]} ({_certainty(row)}; {row.setting}). What it "
        "adds did not pay there; findings.csv of its runs may say why."
        for row in lost.itertuples()
    ]


def _certainty(row):
    if row.pairs == 1:
        return "one seed"
    return f"se {100 * row.se:.1f}, {row.pairs} seeds"
