"""What an editor shows of the public names."""

import jedi
import pytest

SHOWN = [
    (
        "kerasfer.build_classifier",
        "backbone: str | Classifier | Callable[..., Classifier], input_shape: "
        "Sequence[int], num_classes: int",
    ),
    ("kerasfer.load", "path: PathLike, most_bytes: int=MOST_BYTES) -> "),
    ("kerasfer.schemes.AdaCM", "classifier: Classifier, convention: str="),
    ("kerasfer.plug_ins.ReMoP", "num_classes: int, beta: float=0.5"),
    ("kerasfer.data.training_dataset", "labeled: Manifest, unlabeled: Manifest | None"),
    ("kerasfer.data.read_manifest", "path: PathLike"),
    ("kerasfer.losses.info_nce", "view_1: Tensor, view_2: Tensor, mask: Tensor"),
]


@pytest.mark.parametrize(("name", "expected"), SHOWN)
def test_an_editor_shows_types(name, expected):
    (signature,) = jedi.Script(f"import kerasfer\n{name}(").get_signatures()
    assert expected in signature.to_string()


def test_an_editor_completes_lazy_names():
    completions = jedi.Script("import kerasfer\nkerasfer.").complete()
    names = {completion.name for completion in completions}
    assert {"build_classifier", "load", "schemes", "data", "__version__"} <= names
