"""What a recipe is made of, and its main program: every method on every seed."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

import kerasfer
from kerasfer.action_units import EMOTIONET
from kerasfer.experiments.data import own_views
from kerasfer.experiments.devices import devices_of, refuse_workers
from kerasfer.experiments.flags import parse
from kerasfer.experiments.floors import FLOORS, run_floor
from kerasfer.experiments.folds import per_fold
from kerasfer.experiments.network import backbone_builder, backbone_digest
from kerasfer.experiments.own_parts import (
    hashes_of,
    is_own,
    name_of,
    without_folder,
)
from kerasfer.experiments.plots import at_worst_a_warning, draw_centroid_shift
from kerasfer.experiments.run_folder import RunFolder
from kerasfer.experiments.runs import column_of, reported_errors, slug
from kerasfer.experiments.table import report
from kerasfer.experiments.tasks import Expressions, Task
from kerasfer.experiments.train import run_training

# Which runs there are and where, not how one is made.
_ELSEWHERE = ("seeds", "out", "resume", "report", "tensorboard", "figures_every")
_ELSEWHERE += ("data_workers", "cache", "cache_folder")
# Flags that came later: at their defaults, runs are those of before.
_LATER = {
    "network": ("head", "freeze", "first_layer_rate", "resize_to"),
    "faces": ("weak", "strong", "sampler"),
    "labeled_loss": ("loss",),
    "margin": ("self_threshold",),
}
# Flags that may name a part of the user's own.
_MAY_BE_OWN = ("scheme", "plugin", "backbone", "loss", "weak", "strong")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A recipe, for its own main program, for studies and for the tuner."""

    name: str
    """Of its file, and of a folder below `--out`."""
    config: type
    """Dataclass of flags, with `faces`, `network`, `training` and `output`."""
    methods: Callable
    """config -> names of methods, in the order of the table."""
    build_model: Callable
    """(config, method, split) -> model, not compiled."""
    train: Callable
    """(config, method, `TrainingRun`) -> model, trained: its data, its model, `fit`."""
    chooses: tuple[str, ...] = ()
    """Fields of the config that choose methods; one run does not depend on them."""
    task: Task = Expressions()
    """What is learned."""
    config_of: Callable = lambda config, method: config
    """(config, method) -> the config for that method."""
    search_space: Callable = lambda hp, config: {}
    """(Keras Tuner's hyperparameters, config) -> name of a field -> value to try."""
    chain: Callable | None = None
    """(recipe, config, method, seed, folder, read_test) -> result, where a run has
    stages."""

    def check(self, config):
        """Builds each method on a tiny network, so that options that cannot be are
        found before anything is trained.

        Raises:
            ValueError: of a scheme or plug-in.
        """
        import keras

        backbone_builder(config.network)
        views = own_views(config.faces)
        models = [
            self.build_model(_tiny(config), method, _tiny_split())
            for method in dict.fromkeys(self.methods(config))
            if method not in FLOORS
        ]
        read = {view for model in models for view in model.all_views}
        if "strong" in views and not read & {"strong", "strong_2", "image_strong"}:
            raise ValueError(
                "--strong: no method of this command reads a strong view; leave it out."
            )
        keras.backend.clear_session()

    def run(self, config, method, seed, folder, read_test=True):
        """One training; its result, from the folder if it is finished already.

        Args:
            config: of a fold, where there are folds.
            folder: of the run.
            read_test: whether the test set is read; a search must not.
        """
        if self.chain is not None:
            refuse_workers(config.training, f"The chain of {self.name}")
            return self.chain(self, config, method, seed, folder, read_test)
        return self.run_one(config, method, seed, folder, read_test=read_test)

    def run_one(self, config, method, seed, folder, task=None, read_test=True):
        """One training, a stage of a chain where there is one; its result."""
        if method in FLOORS:
            settings = {"method": method, "seed": seed}
            settings |= self.settings(config, method)
            return run_floor(config, settings, folder, task or self.task, read_test)
        config = self.config_of(config, method)
        return run_training(
            config,
            {"method": method, "seed": seed, **self.settings(config, method)},
            folder,
            self.train,
            task or self.task,
            read_test=read_test,
            own_parts=self.own_parts(config, method),
        )

    def settings(self, config, method=None):
        """How runs are made, as one flat dict of what YAML can hold.

        Args:
            method: with the parts of the user's own that it has; None is with those
                that all methods have.
        """
        settings = dataclasses.asdict(config)
        settings["network"]["normalization"] = config.network.pixels
        for group, names in _LATER.items():
            for name in names if group in settings else ():
                default = type(getattr(config, group)).__dataclass_fields__[name]
                if settings[group][name] == default.default:
                    del settings[group][name]
        for group in [n for n in settings if isinstance(settings[n], dict)]:
            settings.update(settings.pop(group))
        flags = {
            name: _written(value)
            for name, value in settings.items()
            if name not in (*_ELSEWHERE, *self.chooses)
        }
        if digest := backbone_digest(config.network):
            flags["backbone_digest"] = digest
        own = hashes_of(self.own_parts(config, method))
        return {**flags, "own_parts": own} if own else flags

    def own_parts(self, config, method=None):
        """Values of flags that affect a run of a method, and may name user files."""
        used = method.split("+") if method else ()
        groups = [g for g in vars(config).values() if dataclasses.is_dataclass(g)]
        parts = []
        for group in (config, *groups):
            for name in vars(group).keys() & {*_MAY_BE_OWN}:
                value = getattr(group, name)
                texts = value if isinstance(value, tuple) else (value or "",)
                known = [part for text in texts for part in text.split("+")]
                of_all = name not in self.chooses
                parts += [part for part in known if of_all or name_of(part) in used]
        return parts

    def main(self):
        """The main program: runs in `<out>/<recipe>/<data>_<protocol>/seed<k>/`."""
        config = parse(self.config)
        with reported_errors():
            devices_of(config.training)  # of several workers, before anything computes
            self.check(config)
            folder = config.output.out / self.name / slug(config.faces.name)
            results, folders = [], []
            for seed in config.output.seeds:
                for fold, fold_config in per_fold(config):
                    for method in dict.fromkeys(self.methods(config)):
                        run_folder = folder / f"seed{seed}" / fold / method
                        result = self.run(fold_config, method, seed, run_folder)
                        if result is not None:
                            results.append({**result, "fold": fold})
                            folders.append(run_folder)
            if results and devices_of(config.training).is_chief:
                report(folder, config.faces.name, results, self.task)
                _draw_shifts(folder)
                if config.output.report:
                    _compare(folder, folders)


def _compare(folder, runs):
    """Tables for a paper; and a page with the methods side by side, where there are
    several."""
    from kerasfer.experiments.comparison.printed import write_tables
    from kerasfer.experiments.comparison.program import write_comparison
    from kerasfer.experiments.comparison.runs import collected

    page = folder / "comparison.html"
    with at_worst_a_warning("paper_tables.tex"):
        print(f"Tables for a paper: {write_tables(folder, collected(runs))}")
    with at_worst_a_warning(page):
        compared = collected(runs)
        if len({one.method for one in compared}) > 1:
            write_comparison(page, compared)
            print(f"Methods side by side: {page}")


def _tiny(config):
    network = dataclasses.replace(
        config.network,
        backbone="compact",
        backbone_weights=None,
        normalization="unit",
        freeze=(),
    )
    faces = dataclasses.replace(config.faces, image_size=16)
    return dataclasses.replace(config, network=network, faces=faces)


def _tiny_split():
    images = np.zeros((8, 16, 16, 3), np.uint8)
    units = np.zeros((8, len(EMOTIONET)), np.float32)
    faces = dataclasses.replace(
        kerasfer.data.from_arrays(images, np.arange(8)),
        action_units=units,
        au_names=EMOTIONET,
    )
    return kerasfer.data.protocols.Split(faces, faces, faces, faces)


def _written(value):
    """What YAML can hold; of a user's part the name of its file, wherever that lies."""
    if isinstance(value, pathlib.Path):
        return str(value)
    if isinstance(value, tuple):
        return list(map(_written, value))
    return without_folder(value) if is_own(value) else value


def _draw_shifts(folder):
    """The centroids' curves of all runs that have one, in one figure."""
    shifts = {}
    for path in sorted(folder.rglob(RunFolder(folder).metrics.name)):
        values = column_of(path, "centroid_shift")
        if values and RunFolder(path.parent).is_finished:
            shifts[str(path.parent.relative_to(folder))] = values
    if shifts:
        draw_centroid_shift(RunFolder(folder).centroid_shift, shifts)
