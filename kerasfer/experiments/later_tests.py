"""`--test` sets that a finished run was not tested on, or that were corrected since."""

import functools
import json

from kerasfer.deploy.safe_loading import load_classifier
from kerasfer.experiments import cross_data, data
from kerasfer.experiments.runs import write_config
from kerasfer.safe_write import atomic_write


def tested_later(run, faces, trained):
    """The result of a finished run, with the scores of all `--test` sets of the flags.

    A set is tested by the classifier that the run kept if it is new, or if its manifest
    is another one than before; rules beside the best epoch on validation faces then
    have no score of it, as their weights are gone. The run's own test set is not read.

    Args:
        run: finished.
        faces: the flags.
        trained: () -> (images -> {"probs": ...}), such as `kept_classifier` of the run.
    """
    result, now = run.result, cross_data.digests(faces.test)
    before = result.get("tests", {})
    names = [name for name in now if before.get(name) != now[name]]
    if not names:
        return result
    cross_data.check_tests(faces.test, result["class_names"])
    infer = trained()
    manifests = cross_data.read_tests(faces.test)
    for name in names:
        print(f"{run.folder} is finished; it is tested on {name}.")
        result = cross_data.without(result, name)
        for rule, scores in result.get("selections", {}).items():
            result["selections"][rule] = cross_data.without(scores, name)
        scores, facts = cross_data.evaluate_on(
            name,
            manifests[name],
            result["class_names"],
            lambda manifest: data.predictions(
                infer, data.build_evaluation_data(faces, manifest)
            )["probs"],
        )
        result |= {**scores, **facts}
    result["tests"] = {**before, **now}
    kept = cross_data.paths_of(run.written_config.get("test", ()))
    paths = {**kept, **cross_data.paths_of(faces.test)}
    tests = [f"{name}={path}" for name, path in paths.items()]
    write_config(run.folder, {**run.written_config, "test": tests})
    with atomic_write(run.files.result) as temporary:
        temporary.write_text(json.dumps(result, indent=2))
    return result


def kept_classifier(run):
    """The classifier of a finished run, as a function of images."""
    classifier = load_classifier(run.files.classifier)
    return functools.partial(classifier, training=False)
