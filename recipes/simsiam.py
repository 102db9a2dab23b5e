r"""A backbone from faces without labels, to start any other recipe from.

    python recipes/simsiam.py                             (rendered faces, no download)
    python recipes/simsiam.py --manifest FACES.csv --protocol balanced:labels=560
    python recipes/baselines.py --manifest FACES.csv --protocol balanced:labels=560 \
        --scheme fixmatch --normalization per_plane \
        --backbone-weights runs/simsiam/.../backbone.weights.h5

Chen and He, "Exploring Simple Siamese Representation Learning". The accuracies of a run
are those of a linear probe on the embedding. The last epoch's backbone is kept, with
its averaged weights, as `backbone.weights.h5`. The protocol's unlabelled faces are what
it learns from: give the same protocol and the same one seed to both commands, with
folds also the same one fold, so that no face of the test set is among them.
"""

import dataclasses

import kerasfer
from kerasfer.experiments.data import Faces
from kerasfer.experiments.network import Network, build_classifier
from kerasfer.experiments.output import Output
from kerasfer.experiments.recipe import Recipe
from kerasfer.experiments.training import Training, frame_options
from kerasfer.safe_write import atomic_write


@dataclasses.dataclass(frozen=True)
class Config:
    faces: Faces = Faces(batch_size=32, unlabeled_ratio=4)
    network: Network = Network()
    training: Training = Training(
        learning_rate=1e-3, schedule="cosine", epochs=20, steps_per_epoch=200
    )
    output: Output = Output()
    width: int = 512
    """Of the projection."""


def methods(config):
    return ["simsiam"]


def train(config, method, run):
    with run.scope():
        model = build_model(config, method, run.split)
    run.begin(model)
    model.fit(run.batches(), **run.fit_options())
    save_backbone(config, model, run.opened.files.backbone)
    return model


def build_model(config, method, split):
    classifier = build_classifier(
        config.network, config.faces.image_shape, split.labeled.num_classes
    )
    return kerasfer.schemes.SimSiam(
        classifier, width=config.width, **frame_options(config)
    )


def save_backbone(config, model, path):
    import keras

    layers = model.inference_classifier.layers
    (backbone,) = [layer for layer in layers if isinstance(layer, keras.Model)]
    with atomic_write(path) as temporary:
        backbone.save_weights(temporary)
    pixels = config.network.pixels
    print(f"Start others from it: --backbone-weights {path} --normalization {pixels}")


def search_space(hp, config):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"),
    }


RECIPE = Recipe(
    "simsiam", Config, methods, build_model, train, search_space=search_space
)

if __name__ == "__main__":
    RECIPE.main()
