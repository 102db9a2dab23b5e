"""Seconds of a fine-tuning step of dlib's network, beside the same in eager PyTorch.

    python tests/benchmarks/fine_tuning.py [--threads op|step] [--faces 16] [--side 112]

16 labelled faces of 112 pixels, supervised; with 48 unlabelled ones, FixMatch. From the
same weights, one step of each in turn, in float32 and in bfloat16, as `steps.py` does;
the losses of the first step are compared. Statistics are those of the images at hand.
"""

import numpy as np

_CLASSES, _REPETITIONS = 8, 15


def our_step(scheme, network, batch, labels, threshold):
    """A function that takes a step, from weights that `network` gets too."""
    import keras
    import tensorflow as tf

    import kerasfer
    from kerasfer.training.read_order import reads_before_writes

    shape = batch["image"].shape[1:]
    backbone = kerasfer.backbones.dlib_resnet(shape)
    kerasfer.backbones.load_dlib(backbone)
    normalize = kerasfer.layers.ImageNormalization("dlib")
    faces = [normalize(batch["image"])]
    kerasfer.backbones.estimate_statistics(backbone, faces)
    classifier = kerasfer.build_classifier(
        backbone, shape, _CLASSES, normalization="dlib", dropout=0.0
    )
    copy_weights(backbone, classifier.get_layer("logits"), network)
    options = {"ema_warmup": False}
    if scheme == "Supervised":
        model = kerasfer.schemes.Supervised(classifier, **options)
    else:
        model = kerasfer.schemes.FixMatch(classifier, threshold, **options)
    model.compile(keras.optimizers.Adam(1e-4))
    element = {view: batch[view] for view in ("image", *model.all_views)}
    data = iter(tf.data.Dataset.from_tensors((element, labels)).repeat())

    def step():
        with reads_before_writes():
            model.make_train_function()
            return float(model.train_function(data)["loss"])

    return step


def copy_weights(backbone, last, network):
    """From Keras to PyTorch."""
    import torch

    def tensor(variable):
        return torch.from_numpy(np.array(variable))

    with torch.no_grad():
        for number, (conv, norm) in enumerate(network.convolutions()):
            kernel = tensor(backbone.get_layer(f"con_{number}").kernel)
            conv.weight.copy_(kernel.permute(3, 2, 0, 1))
            ours = backbone.get_layer(f"norm_{number}")
            norm.weight.copy_(tensor(ours.gamma))
            norm.bias.copy_(tensor(ours.beta))
            norm.running_mean.copy_(tensor(ours.moving_mean))
            norm.running_var.copy_(tensor(ours.moving_variance))
        network.fc.weight.copy_(tensor(last.kernel).T)
        network.fc.bias.copy_(tensor(last.bias))


def measure(modules, scheme, bfloat16, size, setting):
    import keras
    import pytorch
    from rows import Row, faster, in_turns

    torch = modules[0]
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    faces, side = size
    sizes = {"image": faces, "weak": 3 * faces, "strong": 3 * faces}
    batch = {
        view: rng.integers(0, 256, (count, side, side, 3), np.uint8)
        for view, count in sizes.items()
    }
    labels = rng.integers(0, _CLASSES, faces)
    tensors = {view: torch.from_numpy(images) for view, images in batch.items()}
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if bfloat16 else "float32")
    network = pytorch.dlib_resnet(modules, _CLASSES)
    # A threshold that all faces pass: which do must not depend on the last bits.
    ours = our_step(scheme, network, batch, labels.astype(np.int32), 0.0)
    theirs = pytorch.Step(modules, network, scheme, 0.0, bfloat16)
    truth = torch.from_numpy(labels)
    losses = ours(), theirs(tensors, truth)
    np.testing.assert_allclose(*losses, rtol=0.03 if bfloat16 else 1e-4)
    times = in_turns(
        {"ours": ours, "theirs": lambda: theirs(tensors, truth)}, _REPETITIONS, 2
    )
    mine, other = (np.median(times[name]) for name in ("ours", "theirs"))
    what = "FixMatch, mu 3" if scheme == "FixMatch" else "supervised"
    Row(
        f"fine-tuning step, {what}, dlib_resnet, {side} px, "
        f"{'bfloat16' if bfloat16 else 'float32'}{setting}",
        f"{mine:.3f} s",
        f"eager PyTorch, channels-last: {other:.3f} s",
        faster(times, "ours", "theirs"),
        1.0,
    ).show()


def main():
    import pytorch

    pytorch.run(measure, ("Supervised", "FixMatch"), __doc__)


if __name__ == "__main__":
    main()
