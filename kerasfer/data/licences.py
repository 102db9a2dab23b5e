"""What the licence of a data set says, stored beside its manifest."""

import pathlib

NOTICE = "LICENCE_NOTICE.txt"


def licence_notes(*manifests):
    """The notices beside some manifests, each once, in their order.

    Args:
        *manifests: paths of manifests; one without a notice adds none.

    >>> licence_notes("rafdb/manifest.csv")  # doctest: +SKIP
    ('RAF-DB: for non-commercial research only, ...',)
    """
    notes = []
    for manifest in manifests:
        path = pathlib.Path(manifest).with_name(NOTICE)
        if path.is_file():
            notes += path.read_text("utf8").splitlines()
    return tuple(dict.fromkeys(note for note in notes if note.strip()))


def write_notice(folder, notes):
    """Stores notices in the folder of a new manifest; nothing for none."""
    if notes:
        path = pathlib.Path(folder) / NOTICE
        path.write_text("".join(f"{note}\n" for note in notes), encoding="utf8")
