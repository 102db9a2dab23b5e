"""What was found, as rows of a CSV or entries of a JSON list."""

import csv
import io
import json

_BOX = ("x", "y", "width", "height")


def columns(names):
    """Of the CSV, for a model's names."""
    probs = [f"p_{name}" for name in names]
    return ["file", "frame", "status", "face", *_BOX, "confidence", "label", *probs]


def records(looked_at):
    """A dict a face, or one without a face that says why.

    Args:
        looked_at: a `LookedAt`.
    """
    frame = looked_at.frame
    start = {"file": frame.source, "frame": frame.number}
    if frame.image is None:
        return [{**start, "status": f"unreadable: {frame.problem}"}]
    if not looked_at.faces:
        return [{**start, "status": "no face"}]
    found = looked_at.predictions
    rows = []
    for i, face in enumerate(looked_at.faces):
        box = {n: round(float(v), 1) for n, v in zip(_BOX, face.box, strict=True)}
        probs = zip(found.names, found.probs[i], strict=True)
        rows.append(
            {
                **start,
                "status": "ok",
                "face": i,
                **box,
                "confidence": round(face.confidence, 4),
                "label": found.labels[i],
                **{f"p_{name}": round(float(p), 5) for name, p in probs},
            }
        )
    return rows


def as_text(rows, names, form):
    """All rows, as CSV or JSON."""
    if form == "json":
        return json.dumps(rows, indent=1) + "\n"
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(names), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
