"""80 labels of rendered faces, from scratch and from a backbone that SimSiam trained.

python tests/benchmarks/simsiam.py
"""

import keras
import numpy as np

import kerasfer
from kerasfer.data import evaluation_dataset, protocols, synthetic, training_dataset

SHAPE, STEPS = (48, 48, 3), 60


def classifier(faces):
    return kerasfer.build_classifier("compact", SHAPE, faces.num_classes)


def pretrained(faces, split):
    keras.utils.set_random_seed(0)
    model = kerasfer.schemes.SimSiam(classifier(faces), ema_decay=0.99)
    model.compile(keras.optimizers.Adam(1e-3))
    views = model.all_views
    data = training_dataset(split.labeled, split.unlabeled, views, 16, 4)
    model.fit(data, epochs=8, steps_per_epoch=STEPS, verbose=0)
    return model.inference_classifier.get_layer("compact").get_weights()


def accuracy(faces, split, start, seed):
    keras.utils.set_random_seed(seed)
    model = kerasfer.schemes.Supervised(classifier(faces), ema_decay=0.99)
    if start is not None:
        model.classifier.get_layer("compact").set_weights(start)
    model.compile(keras.optimizers.Adam(1e-3), metrics=["accuracy"])
    data = training_dataset(split.labeled, batch_size=16, seed=seed)
    model.fit(data, epochs=4, steps_per_epoch=STEPS, verbose=0)
    test = evaluation_dataset(split.test)
    return 100 * model.evaluate(test, return_dict=True, verbose=0)["accuracy"]


def main():
    faces = synthetic.render_manifest(3000, seed=0)
    split = protocols.split(faces, "balanced:labels=80", seed=0)
    starts = {"from scratch": None, "from SimSiam": pretrained(faces, split)}
    for name, start in starts.items():
        values = [accuracy(faces, split, start, seed) for seed in range(3)]
        print(
            f"{name}: {np.mean(values):.1f} ± {np.std(values, ddof=1):.1f} %, 3 seeds"
        )


if __name__ == "__main__":
    main()
