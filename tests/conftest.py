"""What every test runs under."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest
import tensorflow as tf

# Two devices, for the tests of replicas; must come before anything uses TensorFlow.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

from support import recipe_runs, rotation  # noqa: E402
from support.quick_recipes import QUICK  # noqa: E402
from support.recipe_runs import write_noise  # noqa: E402


@pytest.fixture(scope="session")
def torchvision():
    torch = pytest.importorskip("torch", reason="parity needs torch==2.13.0")
    library = torch.library.Library("torchvision", "FRAGMENT")
    # torchvision without its compiled part lacks these; a ResNet needs none of them.
    for name in ("nms(Tensor dets, Tensor scores, float t) -> Tensor",
                 "qnms(Tensor dets, Tensor scores, float t) -> Tensor"):  # fmt: skip
        try:
            library.define(name)
        except RuntimeError:
            break  # there already
    return pytest.importorskip("torchvision", reason="parity needs torchvision")


@pytest.fixture(autouse=True)
def _same_seed():
    keras.utils.set_random_seed(1)


@pytest.fixture(scope="session")
def manifest(tmp_path_factory):
    """Noise in three classes as files, and beside it quick.yaml, a config of seconds;
    not to be changed."""
    folder = tmp_path_factory.mktemp("faces")
    manifest = write_noise(folder)
    (folder / "quick.yaml").write_text(QUICK)
    return manifest


KILLS = {"test_kills", "test_resume", "test_termination", "test_workers"}
CONTRACT = {"test_contract", "test_export", "test_replicas", "test_targets"}


def pytest_collection_modifyitems(items):
    """The step of `make test-all` that each test is of; and names must not differ
    between parallel workers, which then give up."""
    for item in items:
        if " at 0x" in item.name:
            raise pytest.UsageError(f"{item.nodeid}: give its parameters `ids`.")
        item.add_marker(step_of(item.module))
    if os.environ.get("KERASFER_TESTS") == "share":
        taken = {*rotation.in_turn(items, step_of)}
        for item in items:
            if item not in taken:
                item.add_marker("slow")


def step_of(module):
    if module.__name__ in KILLS:
        return "kills"
    if module.__name__ in CONTRACT:
        return "contract"
    runs_recipes = getattr(module, "run", None) is recipe_runs.run
    return "recipes" if runs_recipes else "unit"
