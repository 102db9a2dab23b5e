"""A run for each fold, where the protocol has folds."""

import dataclasses

import kerasfer


def per_fold(config):
    """(name of a folder, config) of each fold; without folds one, without a name.

    `--protocol folds:k=10` and `leave_one_subject_out` run all, with `,fold=3` one.
    """
    faces = config.faces
    if not kerasfer.data.is_folded(faces.protocol) or "fold=" in faces.protocol:
        return [("", config)]
    if faces.manifest is None:
        raise ValueError(
            "--protocol: folds need a --manifest with a column `subject`, so that "
            "nobody is in two of them."
        )
    manifest = kerasfer.data.read_manifest(faces.manifest)
    specs = kerasfer.data.folds(manifest, faces.protocol)
    return [
        (
            f"fold{number}",
            dataclasses.replace(
                config, faces=dataclasses.replace(faces, protocol=spec)
            ),
        )
        for number, spec in enumerate(specs)
    ]
