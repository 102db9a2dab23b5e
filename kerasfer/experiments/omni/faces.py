"""Faces of the chain: an anchor, a sea, and others to test on."""

import dataclasses
import functools

import numpy as np

import kerasfer
from kerasfer.experiments.tasks import Expressions

_POSED_SHARE, _WILD_TEST_SHARE = 0.3, 0.2


def base_split(faces, seed):
    if faces.manifest is None:
        posed, wild, _ = rendered(faces.rendered_faces)
        return kerasfer.data.protocols.split(posed, faces.protocol, seed, wild)
    return Expressions().build_split(faces, seed)


def rendered_tests(faces):
    """Wild faces, where faces are rendered."""
    return {} if faces.manifest else {"wild": rendered(faces.rendered_faces)[2]}


@functools.cache
def rendered(count):
    """Posed faces, a sea of wild ones, and wild ones to test on."""
    print(f"Rendering {count} faces, {_POSED_SHARE:.0%} of them posed.")
    num_posed = round(_POSED_SHARE * count)
    num_tested = round(_WILD_TEST_SHARE * (count - num_posed))
    render = kerasfer.data.synthetic.render_manifest
    posed = render(num_posed, seed=0, domain="posed")
    wild = render(count - num_posed, seed=1, test_share=0)
    names = np.array([f"wild_{name}" for name in wild.names])
    wild = dataclasses.replace(wild, names=names, parts=None)
    return posed, wild.subset(slice(num_tested, None)), wild.subset(slice(num_tested))


def in_classes_of(split, selected):
    """The selected faces with their labels as indices of the split's classes."""
    names = [selected.class_names[label] for label in selected.labels]
    unknown = sorted({*names} - {*split.labeled.class_names})
    if unknown:
        raise ValueError(
            f"Selected faces of {', '.join(unknown)}, no class of the labelled faces. "
            f"Expected classes among {', '.join(split.labeled.class_names)}."
        )
    index = {name: k for k, name in enumerate(split.labeled.class_names)}
    labels = np.array([index[name] for name in names], np.int32)
    return dataclasses.replace(
        selected, labels=labels, class_names=split.labeled.class_names
    )
