"""The memory of a training: tried before it, explained where it runs out."""

import dataclasses
import re
import signal
import subprocess
import sys

import pytest
import tensorflow as tf
from support.recipe_runs import RECIPES, imported, parsed

from kerasfer.doctor import OK, WRONG
from kerasfer.experiments import memory
from kerasfer.experiments.memory import Trial, check_memory
from kerasfer.experiments.out_of_memory import exhausted_memory_explained
from kerasfer.experiments.runs import reported_errors
from kerasfer.machine_memory import machine_memory

GB = 10**9


@pytest.fixture
def recipe():
    return imported("baselines").RECIPE


@pytest.fixture(autouse=True)
def ten_gigabytes(monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 10 * GB)


def config_of(*flags):
    return parsed(imported("baselines"), "--image-size", 48, *flags)


def test_what_fits_is_said(recipe):
    config = config_of("--batch-size", 16, "--unlabeled-ratio", 3, "--beside", "hog")
    seen = []

    def tried(recipe, config, method):
        seen.append(method)
        return Trial(3 * GB, gpus=(GB // 2,))

    (finding,) = check_memory(recipe, config, tried)
    assert seen == ["fixmatch"]  # a floor is not trained
    assert finding.state == OK and finding.what == "memory of fixmatch"
    assert finding.says == (
        "3.00 of 10.0 GB at the peak, GPU 0: 0.50 GB; steps of 16 labelled and up to "
        "48 unlabelled faces, 48 px"
    )


@pytest.mark.parametrize("too_much", [Trial(error="out of memory"), Trial(9 * GB)])
def test_the_batch_is_halved_until_it_fits(recipe, too_much):
    tried_sizes = []

    def tried(recipe, config, method):
        tried_sizes.append(config.faces.batch_size)
        return too_much if config.faces.batch_size > 8 else Trial(2 * GB)

    (finding,) = check_memory(recipe, config_of("--batch-size", 48), tried)
    assert tried_sizes == [48, 24, 12, 6]
    assert finding.state == WRONG
    assert finding.mend == "--batch-size 6: 2.00 GB"


def test_where_no_batch_fits_a_smaller_face_may(recipe):
    def tried(recipe, config, method):
        return Trial(error="out of memory")

    (finding,) = check_memory(recipe, config_of("--batch-size", 3), tried)
    assert finding.says.startswith("out of memory in steps of 3 labelled")
    assert "smaller --image-size" in finding.mend


def test_another_error_is_its_own(recipe):
    def tried(recipe, config, method):
        return Trial(error="ValueError: no labels")

    (finding,) = check_memory(recipe, config_of(), tried)
    assert (finding.state, finding.says) == (WRONG, "ValueError: no labels")


def test_a_killed_process_had_no_memory():
    assert memory._end_of(-signal.SIGKILL) == "out of memory"
    assert "status 3" in memory._end_of(3)


def test_an_exhausted_device_names_the_flag_and_its_value():
    faces = dataclasses.replace(config_of().faces, batch_size=10, unlabeled_ratio=2)
    expected = (
        r"Out of memory in steps of 10 labelled and up to 20 unlabelled faces, 48 px\. "
        r"Lower --batch-size to 5, half of it, or --image-size;.*\(OOM when allocating"
    )
    with (
        pytest.raises(MemoryError, match=expected),
        exhausted_memory_explained(faces),
    ):
        raise tf.errors.ResourceExhaustedError(
            None, None, "OOM when allocating tensor\nwith shape[1]"
        )
    one = dataclasses.replace(faces, batch_size=1)
    with (
        pytest.raises(MemoryError, match=r"px\. Lower --image-size;"),
        exhausted_memory_explained(one),
    ):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM")


def test_a_full_disk_is_no_lack_of_memory():
    faces = config_of().faces
    with (
        pytest.raises(OSError, match="No space left"),
        exhausted_memory_explained(faces),
    ):
        raise tf.errors.ResourceExhaustedError(None, None, "x; No space left on device")


def test_faces_that_do_not_fit_are_not_the_batch(recipe):
    def tried(recipe, config, method):
        return Trial(error="MemoryError: The decoded faces take 99.0 GB")

    (finding,) = check_memory(recipe, config_of(), tried)
    assert finding.says == "MemoryError: The decoded faces take 99.0 GB"
    assert finding.mend == ""


def not_to_be_called(recipe, config, method):
    raise AssertionError("a trial began")


def test_a_chain_and_options_that_cannot_be_are_refused_before_a_trial():
    chain = imported("omni_supervised")
    with pytest.raises(ValueError, match="omni_supervised is a chain of trainings"):
        next(check_memory(chain.RECIPE, parsed(chain), not_to_be_called))
    baselines = imported("baselines")
    config = parsed(baselines, "--sampler", "balanced", "--scheme", "ecan")
    with pytest.raises(ValueError, match="--sampler balanced"):
        next(check_memory(baselines.RECIPE, config, not_to_be_called))


def test_of_folds_the_first_is_tried(recipe, manifest, tmp_path):
    rows = manifest.read_text().splitlines()[1:]
    lines = [f"{manifest.parent}/{row},person {k % 6}" for k, row in enumerate(rows)]
    people = tmp_path / "manifest.csv"
    people.write_text("\n".join(["path,label,subject", *lines]) + "\n")
    tried_protocols = []

    def tried(recipe, config, method):
        tried_protocols.append(config.faces.protocol)
        return Trial(GB)

    config = config_of("--protocol", "folds:k=3", "--manifest", people)
    next(check_memory(recipe, config, tried))
    assert "fold=0" in tried_protocols[0]


def test_a_trial_has_a_step_of_each_epoch_of_two(tmp_path):
    recipe = imported("large_margin")
    config = parsed(recipe, "--supervised-epochs", 50, "--epochs", 9)
    short = memory.two_steps(config, tmp_path)
    for method in recipe.RECIPE.methods(short):
        training = recipe.RECIPE.config_of(short, method).training
        assert (training.epochs, training.steps_per_epoch) == (2, 1), method
    assert short.output.out == tmp_path


def test_a_program_ends_with_that_line():
    with pytest.raises(SystemExit, match="error: Out of memory"), reported_errors():
        raise MemoryError("Out of memory")


def test_a_container_has_less_than_its_machine(tmp_path):
    whole = machine_memory(limits=())
    limit = tmp_path / "memory.max"
    limit.write_text("1000000\n")
    assert machine_memory([tmp_path / "absent", limit]) == 1_000_000
    limit.write_text("max\n")
    assert machine_memory([limit]) == whole > 1_000_000


def test_two_steps_foretell_the_peak_of_a_run(manifest, tmp_path, recipe):
    flags = ["--manifest", manifest, "--protocol", "balanced:labels=12", "--epochs", 2]
    flags += ["--steps-per-epoch", 3, "--batch-size", 32, "--image-size", 32]
    config = parsed(imported("baselines"), *flags)
    trial = memory.try_steps(recipe, config, "fixmatch")
    assert trial.error == "" and trial.gpus == ()
    assert not [*tmp_path.iterdir()]
    # The run says its own peak: its `ru_maxrss` would be this process's, if larger.
    says_its_peak = (
        "import pathlib, runpy, sys; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__'); "
        "print(pathlib.Path('/proc/self/status').read_text())"
    )
    command = [sys.executable, "-c", says_its_peak, RECIPES / "baselines.py", *flags]
    said = subprocess.run(
        [*map(str, command), "--out", str(tmp_path)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    kilobytes = int(re.search(r"VmHWM:\s+(\d+)", said).group(1))
    assert abs(trial.host / (kilobytes * 1024) - 1) < 0.2


def test_the_peak_of_a_trial_is_its_own():
    ballast = bytearray(GB)  # what this process has is not the trial's
    ballast[::4096] = b"x" * len(ballast[::4096])
    own = subprocess.run(
        [sys.executable, "-c", "from kerasfer.experiments import memory; "
         "print(memory._peak_of_host())"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert 10**7 < int(own) < len(ballast) // 2


def test_a_trial_that_fails_says_why(manifest, recipe):
    flags = ["--manifest", manifest, "--protocol", "balanced:labels=600"]
    trial = memory.try_steps(recipe, parsed(imported("baselines"), *flags), "fixmatch")
    assert trial.error.startswith("ValueError: ")
