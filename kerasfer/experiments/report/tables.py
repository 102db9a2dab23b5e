"""Tables of a run's folder, and curves of their columns."""


def read_table(path):
    """The CSV as a data frame; None where there is none, or nothing in it."""
    import pandas as pd

    if not path.exists() or not path.stat().st_size:
        return None
    text = {"class": str, "kind": str, "said": str, "known": str, "path": str}
    return pd.read_csv(path, dtype=text)


def curves_of(table, ylabel="", **options):
    """A function that draws the columns of a data frame, a row an epoch.

    Args:
        table: data frame.
        ylabel, options: of `kerasfer.analysis.figures.curves`.
    """

    def draw():
        from kerasfer.analysis import figures

        lines = {name: table[name].tolist() for name in table}
        return figures.curves(lines, ylabel, **options)

    return draw
