"""How the training of VAS or DAS begins: weights, and steps on distilled images."""

import kerasfer
from kerasfer.deploy.safe_loading import load_classifier
from kerasfer.experiments.run_folder import RunFolder


def begin(omni, model, primitive, distilled, class_names):
    """What `--start` and `--learned-steps` ask for, for both copies of the network.

    Args:
        omni: the flags.
        model: not trained yet.
        primitive: folder of the primitive learner.
        distilled: path of distilled images, or None.
        class_names: of the model.
    """
    if omni.start != "pretrained":
        learner = load_classifier(RunFolder(primitive).classifier)
        start_from(model.classifier, learner, with_head=omni.start == "primitive")
    if omni.learned_steps and distilled:
        images, labels, names = kerasfer.omni.distillation.load_images(distilled)
        step_sizes, steps = kerasfer.omni.distillation.load_steps(distilled)
        kerasfer.omni.distillation.take_steps(
            model.classifier,
            images,
            kerasfer.omni.distillation.labels_among(labels, names, class_names),
            step_sizes,
            steps,
            omni.distill_batch_statistics,
        )
    model.inference_classifier.set_weights(model.classifier.get_weights())


def start_from(classifier, primitive, with_head):
    """Takes over the primitive learner's weights, or all but those of its last layer.

    Raises:
        ValueError: with its head, where it has other classes.
    """
    head = [] if with_head else primitive.get_layer("logits").weights
    left = {id(w) for w in head}
    for own, other in zip(classifier.weights, primitive.weights, strict=True):
        if id(other) in left:
            continue
        if tuple(own.shape) != tuple(other.shape):
            raise ValueError(
                "--start primitive needs a primitive learner of the same classes. "
                f"Expected {tuple(own.shape)}, received {tuple(other.shape)}. Take "
                "--start primitive_body, whose last layer is new."
            )
        own.assign(other)
