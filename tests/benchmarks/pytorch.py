"""PyTorch and torchvision, where they are installed, and FER's steps in eager PyTorch.

    pip install torch==2.13.0; pip install --no-deps torchvision

They are no requirements. The steps are written from the schemes' equations, as ours.
"""

import argparse
import copy
import os

ABSENT = "absent: torch and torchvision"


def load():
    """The modules torch and torchvision; None where one of them is not installed."""
    try:
        import torch
    except ImportError:
        return None
    # torchvision registers kernels for these two, which a torch without them lacks.
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float threshold) -> Tensor")
    try:
        import torchvision
    except ImportError:
        return None
    return torch, torchvision


def resnet18(modules, num_classes):
    """torchvision's, with its linear classifier `fc`, and prototypes for ReMoP."""
    torch, torchvision = modules

    class ResNet18(torch.nn.Module):
        mean, deviation = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)

        def __init__(self):
            super().__init__()
            self.body = torchvision.models.resnet18(num_classes=num_classes)
            self.fc, self.body.fc = self.body.fc, torch.nn.Identity()
            self.prototypes = torch.nn.Parameter(
                torch.randn(num_classes, self.fc.in_features)
            )

        def embed(self, images):
            return self.body(images)

    return ResNet18()


def dlib_resnet(modules, num_classes):
    """The network of `kerasfer.backbones.dlib_resnet`, without padding below 112."""
    torch, _ = modules
    nn = torch.nn

    def conv(channels, width, size, strides):
        padding = size // 2 if strides == 1 else 0
        return nn.Sequential(
            nn.Conv2d(channels, width, size, strides, padding, bias=False),
            nn.BatchNorm2d(width, eps=1e-5),
        )

    class Block(nn.Module):
        def __init__(self, channels, width, down):
            super().__init__()
            self.first = conv(channels, width, 3, 2 if down else 1)
            self.second = conv(width, width, 3, 1)
            self.down = down

        def forward(self, x):
            y = self.second(torch.relu(self.first(x)))
            shortcut = nn.functional.avg_pool2d(x, 2) if self.down else x
            sizes = [max(pair) for pair in zip(y.shape, shortcut.shape, strict=True)]
            return torch.relu(filled(y, sizes) + filled(shortcut, sizes))

    def filled(x, sizes):
        _, channels, rows, columns = (
            big - n for big, n in zip(sizes, x.shape, strict=True)
        )
        missing = (0, columns, 0, rows, 0, channels)
        return nn.functional.pad(x, missing) if any(missing) else x

    class Dlib(nn.Module):
        mean, deviation = (122.782, 117.001, 104.298), (256.0, 256.0, 256.0)

        def __init__(self):
            super().__init__()
            stages = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
            blocks, channels = [], 32
            for stage, (width, count) in enumerate(stages):
                for block in range(count):
                    blocks.append(Block(channels, width, stage > 0 and block == 0))
                    channels = width
            self.stem, self.blocks = conv(3, 32, 7, 2), nn.Sequential(*blocks)
            self.fc = nn.Linear(256, num_classes)

        def embed(self, images):
            x = nn.functional.max_pool2d(torch.relu(self.stem(images)), 3, 2)
            return self.blocks(x).mean((2, 3))

        def convolutions(self):
            """(convolution, normalisation), from the input up."""
            pairs = [self.stem]
            for block in self.blocks:
                pairs += [block.first, block.second]
            return pairs

    return Dlib()


class Step:
    """A training step: losses, gradients, Adam, the EMA model.

    Args:
        network: with `embed`, `fc`, `mean`, `deviation`, as the functions above make.
        scheme: one of `SCHEMES`.
        threshold: of pseudo-labels, the same for all classes.
        bfloat16: whether networks run under autocast.
    """

    def __init__(self, modules, network, scheme, threshold, bfloat16):
        self.torch = modules[0]
        self.device = "cuda" if self.torch.cuda.is_available() else "cpu"
        network = network.to(self.device)
        self.scheme, self.threshold = scheme, threshold
        self.bfloat16 = bfloat16
        self.network = network.to(memory_format=self.torch.channels_last).train()
        self.average = copy.deepcopy(network)
        used = [p for n, p in network.named_parameters() if self._is_used(n)]
        self.optimizer = self.torch.optim.Adam(used, 1e-4, eps=1e-7)
        colors = (1, 3, 1, 1)
        self.mean = self._on_device(network.mean).reshape(colors)
        self.deviation = self._on_device(network.deviation).reshape(colors)

    def _on_device(self, values):
        return self.torch.tensor(values, device=self.device)

    def _is_used(self, name):
        return name != "prototypes" or self.scheme == "ReMoP"

    def __call__(self, batch, labels):
        """One step on uint8 images (B, height, width, 3) a view; its loss."""
        loss = SCHEMES[self.scheme](self, batch, labels.to(self.device))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with self.torch.no_grad():
            values = self.network.state_dict()
            for name, mean in self.average.state_dict().items():
                if mean.is_floating_point() and self._is_used(name):
                    mean.lerp_(values[name], 0.001)
        return float(loss.detach())

    def outputs(self, images):
        """Embedding and logits, float32."""
        # NHWC in memory, as channels-last wants it.
        images = images.to(self.device).permute(0, 3, 1, 2).float()
        images = (images - self.mean) / self.deviation
        with self.torch.autocast(self.device, self.torch.bfloat16, self.bfloat16):
            embedding = self.network.embed(images)
        embedding = embedding.float()
        return embedding, self.network.fc(embedding)

    def labels_of(self, probs):
        """Pseudo-labels, and the mask of those that pass."""
        confidence, labels = probs.detach().max(-1)
        return labels, (confidence >= self.threshold).float()

    def cross_entropy(self, logits, labels):
        return self.torch.nn.functional.cross_entropy(logits, labels, reduction="none")


def supervised(step, batch, labels):
    _, logits = step.outputs(batch["image"])
    return step.cross_entropy(logits, labels).mean()


def fixmatch(step, batch, labels):
    _, logits = step.outputs(batch["image"])
    with step.torch.no_grad():
        _, weak = step.outputs(batch["weak"])
    _, strong = step.outputs(batch["strong"])
    pseudo, mask = step.labels_of(weak.softmax(-1))
    unlabeled = (step.cross_entropy(strong, pseudo) * mask).mean()
    return step.cross_entropy(logits, labels).mean() + unlabeled


def ada_cm(step, batch, labels):
    torch = step.torch
    _, logits = step.outputs(batch["image"])
    first, weak = step.outputs(batch["weak"])
    second, weak_2 = step.outputs(batch["weak_2"])
    _, strong = step.outputs(batch["strong"])
    pseudo, mask = step.labels_of((weak.softmax(-1) + weak_2.softmax(-1)) / 2)
    unlabeled = (step.cross_entropy(strong, pseudo) * mask).mean()

    unsure = mask == 0
    views = [torch.nn.functional.normalize(v[unsure], dim=-1) for v in (first, second)]
    kept = len(views[0])
    both = torch.cat(views)
    similarity = both @ both.T / 0.07
    similarity = similarity.masked_fill(
        torch.eye(2 * kept, device=step.device).bool(), -1e9
    )
    other = torch.arange(2 * kept, device=step.device).roll(kept)
    contrast = step.cross_entropy(similarity, other).mean()
    supervised = step.cross_entropy(logits, labels).mean()
    return 0.5 * supervised + unlabeled + 0.1 * contrast


def remop(step, batch, labels):
    torch, prototypes = step.torch, step.network.prototypes
    embedding, logits = step.outputs(batch["image"])
    with torch.no_grad():
        weak, weak_logits = step.outputs(batch["weak"])
        mixture = (0.5 * weak_logits + 0.5 * weak @ prototypes.T).softmax(-1)
    strong, strong_logits = step.outputs(batch["strong"])
    pseudo, mask = step.labels_of(mixture)
    unlabeled = (step.cross_entropy(strong_logits, pseudo) * mask).mean()

    center = (embedding - prototypes[labels]).square().sum(-1).mean()
    pull = (strong - prototypes[pseudo]).square().sum(-1)
    unlabeled_center = (pull * mask).sum() / mask.sum().clamp(min=1)
    directions = torch.nn.functional.normalize(prototypes - prototypes.mean(0), dim=-1)
    count = len(prototypes)
    diagonal = torch.eye(count, device=step.device).bool()
    gram = (directions @ directions.T).masked_fill(diagonal, -1 / (count - 1))
    supervised = step.cross_entropy(logits, labels).mean()
    return (
        supervised
        + 0.2 * unlabeled
        + 1e-4 * (center + unlabeled_center)
        + 0.1 * gram.norm()
    )


SCHEMES = {
    "Supervised": supervised,
    "FixMatch": fixmatch,
    "Ada-CM": ada_cm,
    "ReMoP": remop,
}


def run(measure, schemes, description):
    """The main program of a benchmark of steps.

    Args:
        measure: (modules, scheme, bfloat16, (faces, side), setting) -> None, prints a
            row.
        schemes: names of `SCHEMES`.
        description: for `--help`.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", choices=("op", "step"), default="op")
    parser.add_argument("--faces", type=int, default=16, help="labelled ones a step")
    parser.add_argument("--side", type=int, default=112, help="in pixels")
    arguments = parser.parse_args()
    per_step = arguments.threads == "step"
    if per_step:  # before TensorFlow is imported
        os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
        os.environ["TF_NUM_INTEROP_THREADS"] = str(os.cpu_count())
    modules, setting = load(), ", a thread an operation" if per_step else ""
    for bfloat16 in (False, True):
        for scheme in schemes:
            if modules is None:
                print(f"| {scheme} step | - | {ABSENT} | - | 1 |")
            else:
                size = arguments.faces, arguments.side
                measure(modules, scheme, bfloat16, size, setting)
