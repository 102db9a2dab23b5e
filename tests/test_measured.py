"""Numbers in the text are those of the committed rows."""

import numpy as np
import pandas as pd
import pytest
from benchmarks import real_faces


@pytest.mark.parametrize(
    ("path", "marker", "text"), [*real_faces.blocks()], ids=[*real_faces.TABLES]
)
def test_the_tables_are_those_of_the_rows(path, marker, text):
    written = path.read_text()
    assert written.count(marker) == 1
    block = written.partition(marker)[2].partition(real_faces.END)[0]
    assert block.strip() == text.strip()


def test_an_edited_number_is_found():
    """The check itself: another row is another table."""
    rows = pd.read_csv(real_faces.MEASURED / "ferplus.csv")
    changed = rows.copy()
    changed.loc[changed["metric"] == "accuracy", "value"] += 0.01
    arguments = "560 balanced labels", {"accuracy": "overall %"}
    assert real_faces.table(rows, *arguments) != real_faces.table(changed, *arguments)


def test_differences_are_paired_by_seed():
    rows = pd.DataFrame(
        [
            ("s", method, seed, "best_validation", "accuracy", value)
            for method, values in (
                ("supervised", (0.50, 0.60, 0.70)),
                ("mine", (0.52, 0.61, 0.73)),
            )
            for seed, value in enumerate(values)
        ],
        columns=["setting", "method", "seed", "selection", "metric", "value"],
    )
    # Differences 2, 1, 3: mean 2, deviation 1, standard error 1 / sqrt(3) = 0.58.
    text = real_faces.table(rows, "s", {"accuracy": "overall %"})
    assert "| mine | 3 | 62.0 ± 10.5 | +2.0 (se 0.6, 3 of 3) |" in text
    assert np.isclose(np.std([2, 1, 3], ddof=1) / np.sqrt(3), 0.577, atol=1e-3)
