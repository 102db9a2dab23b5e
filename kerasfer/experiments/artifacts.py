"""What a finished run keeps, so that export and report need nothing but its folder."""

import numpy as np

from kerasfer.experiments import data
from kerasfer.experiments.run_folder import RunFolder
from kerasfer.safe_write import atomic_write

_NUM_SAMPLES = 32
_NUM_INSPECTED, _NUM_SHOWN = 512, 12


def keep_for_export(folder, faces, task, model, split):
    """Writes the evaluated classifier, its predictions on validation faces, and a few
    of these as it takes them, to compare an export on.

    Returns:
        facts for the result: how the outputs are called, and how many faces were in
        each part.
    """
    files = RunFolder(folder)
    with atomic_write(files.classifier) as temporary:
        model.inference_classifier.save(temporary)
    task.write_validation(files.predictions_validation, faces, model, split)
    some = data.evenly_spaced(split.validation, _NUM_SAMPLES)
    batches = [images for images, _ in data.build_evaluation_data(faces, some)]
    with atomic_write(files.samples) as temporary:
        np.savez(temporary, images=np.concatenate(batches))
    parts = ("labeled", "unlabeled", "validation", "test")
    return {
        "outputs": list(task.names_of(split)),
        "faces": {name: len(getattr(split, name)) for name in parts},
    }


def keep_for_report(folder, faces, task, model, split):
    """Writes embeddings of validation faces in the plane, and a few faces: validation
    faces that the model is surely wrong on, unlabelled ones that it is surest and least
    sure of. None of the test set: who looks at its errors begins to fit them."""
    import pandas as pd

    from kerasfer.analysis.figures import FEWEST_POINTS, plane

    some = data.evenly_spaced(split.validation, _NUM_INSPECTED)
    seen = task.inspect(faces, model, some)
    if len(some) >= FEWEST_POINTS:
        points = plane(seen.embeddings)
        table = pd.DataFrame({"path": some.names, "kind": task.kinds(some)})
        table[["x", "y"]] = points
        with atomic_write(RunFolder(folder).embedding) as temporary:
            table.to_csv(temporary, index=False, float_format="%.4f")
    groups = {"errors on validation faces": (some, seen, seen.surest_errors)}
    if len(split.unlabeled):
        some = data.evenly_spaced(split.unlabeled, _NUM_INSPECTED)
        seen = task.inspect(faces, model, some)
        groups["surest unlabelled faces"] = (some, seen, seen.surest)
        groups["least sure unlabelled faces"] = (some, seen, seen.least_sure)
    _write_shown(folder, groups)


def _write_shown(folder, groups):
    import pandas as pd

    from kerasfer.vision.images import cv2

    rows, files = [], RunFolder(folder)
    files.shown_faces.mkdir(exist_ok=True)
    for group, (manifest, seen, choose) in groups.items():
        said, known = seen.said, seen.known
        for i in choose(_NUM_SHOWN):
            file = f"{files.shown_faces.name}/{len(rows):03d}.png"
            image = cv2.cvtColor(seen.images[i], cv2.COLOR_RGB2BGR)
            with atomic_write(folder / file) as temporary:
                cv2.imencode(".png", image)[1].tofile(temporary)
            rows.append(
                {
                    "group": group,
                    "file": file,
                    "path": manifest.names[i],
                    "said": said[i],
                    "known": known[i],
                    "confidence": round(float(seen.confidence[i]), 4),
                }
            )
    columns = ["group", "file", "path", "said", "known", "confidence"]
    with atomic_write(files.shown) as temporary:
        pd.DataFrame(rows, columns=columns).to_csv(temporary, index=False)
