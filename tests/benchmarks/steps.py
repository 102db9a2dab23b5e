"""Seconds of a training step of ResNet-18, beside the same step in eager PyTorch.

    python tests/benchmarks/steps.py [--threads op|step] [--faces 16] [--side 112]

16 labelled and as many unlabelled faces of 112 pixels, from the same weights, one step
of each in turn: FixMatch, Ada-CM (two weak views with gradients) and ReMoP on FixMatch;
in float32, and in bfloat16 (our mixed policy, their autocast). Both include
normalisation, losses, gradients, Adam and the EMA model; theirs is in channels-last, on
as many threads as there are cores, or on the GPU. The losses of the first step are
compared.

`--threads step` lets TensorFlow run several operations at a time, each on one thread,
instead of each on all (TF_NUM_INTRAOP_THREADS=1): a step has operations that do not
wait for each other, and oneDNN's gradients of kernels in bfloat16 lose by sharing.
"""

import pathlib
import tempfile

import numpy as np

_CLASSES, _REPETITIONS = 7, 11
_VIEWS = ("image", "weak", "weak_2", "strong")


def our_step(scheme, threshold, theirs, batch, labels):
    """A function that takes a step, from the weights of `theirs`; it gives its loss."""
    import keras
    import tensorflow as tf

    import kerasfer
    from kerasfer.training.read_order import reads_before_writes

    shape = batch["image"].shape[1:]
    backbone = kerasfer.backbones.resnet18(shape)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "resnet18.pth"
        weights = theirs.network.body.state_dict()
        theirs.torch.save({name: w.cpu() for name, w in weights.items()}, path)
        kerasfer.backbones.load_pytorch(backbone, path)
    classifier = kerasfer.build_classifier(
        backbone, shape, _CLASSES, normalization="imagenet"
    )
    linear = theirs.network.fc
    classifier.get_layer("logits").set_weights(
        [linear.weight.detach().cpu().numpy().T, linear.bias.detach().cpu().numpy()]
    )
    schemes, options = kerasfer.schemes, {"ema_warmup": False}
    if scheme == "Ada-CM":
        model = schemes.AdaCM(classifier, floor=0.0, initial=threshold, **options)
    elif scheme == "FixMatch":
        model = schemes.FixMatch(classifier, threshold, **options)
    else:
        remop = kerasfer.plug_ins.ReMoP(_CLASSES)
        model = schemes.FixMatch(classifier, threshold, plug_ins=(remop,), **options)
        remop.head.set_prototypes(theirs.network.prototypes.detach().cpu().numpy())
    model.compile(keras.optimizers.Adam(1e-4))
    element = {view: batch[view] for view in ("image", *model.all_views)}
    data = iter(tf.data.Dataset.from_tensors((element, labels)).repeat())

    def step():
        with reads_before_writes():
            model.make_train_function()
            return float(model.train_function(data)["loss"])

    return step


def threshold_of(torch_step, batch):
    """A confidence that half of the faces pass, with none close to it."""
    with torch_step.torch.no_grad():
        embedding, logits = torch_step.outputs(batch["weak"])
        if torch_step.scheme == "ReMoP":
            logits = 0.5 * logits + 0.5 * embedding @ torch_step.network.prototypes.T
        probs = logits.softmax(-1)
        if torch_step.scheme == "Ada-CM":
            probs = (probs + torch_step.outputs(batch["weak_2"])[1].softmax(-1)) / 2
    confidence = np.sort(probs.max(-1).values.cpu().numpy())
    faces = len(confidence)
    middle = confidence[faces // 4 : 1 + 3 * faces // 4]
    widest = np.diff(middle).argmax()
    return float(middle[widest : widest + 2].mean())


def measure(modules, scheme, bfloat16, size, setting):
    import keras
    import pytorch
    from rows import Row, faster, in_turns

    torch = modules[0]
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    faces, side = size
    shape = (faces, side, side, 3)
    batch = {view: rng.integers(0, 256, shape, np.uint8) for view in _VIEWS}
    labels = rng.integers(0, _CLASSES, faces)
    tensors = {view: torch.from_numpy(images) for view, images in batch.items()}
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if bfloat16 else "float32")
    network = pytorch.resnet18(modules, _CLASSES)
    theirs = pytorch.Step(modules, network, scheme, 0.0, bfloat16)
    setting += f", {faces} faces" if faces != 16 else ""
    # Statistics move with the look at confidences: both start after it.
    theirs.threshold = threshold_of(theirs, tensors)
    theirs.average.load_state_dict(theirs.network.state_dict())
    ours = our_step(scheme, theirs.threshold, theirs, batch, labels.astype(np.int32))
    truth = torch.from_numpy(labels)
    losses = ours(), theirs(tensors, truth)
    np.testing.assert_allclose(*losses, rtol=0.03 if bfloat16 else 1e-4)
    times = in_turns(
        {"ours": ours, "theirs": lambda: theirs(tensors, truth)}, _REPETITIONS, 2
    )
    mine, other = (np.median(times[name]) for name in ("ours", "theirs"))
    Row(
        f"{scheme} step, ResNet-18, {side} px, {'bfloat16' if bfloat16 else 'float32'}"
        f"{setting}",
        f"{mine:.3f} s",
        f"eager PyTorch, channels-last: {other:.3f} s",
        faster(times, "ours", "theirs"),
        1.0,
    ).show()


def main():
    import pytorch

    pytorch.run(measure, ("FixMatch", "Ada-CM", "ReMoP"), __doc__)


if __name__ == "__main__":
    main()
