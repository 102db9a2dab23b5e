"""PyTorch and torchvision, where they are installed, and FER's steps in eager PyTorch.

    pip install torch==2.13.0; pip install --no-deps torchvision

They are no requirements. The steps are written from the schemes' equations, as ours.
"""

import copy

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


class Step:
    """A training step of ResNet-18: losses, gradients, Adam, the averaged copy.

    Args:
        scheme: one of `SCHEMES`.
        num_classes: of the linear classifier.
        threshold: of pseudo-labels, the same for all classes.
        bfloat16: whether networks run under autocast.
    """

    def __init__(self, modules, scheme, num_classes, threshold, bfloat16):
        self.torch, torchvision = modules
        self.scheme, self.threshold = scheme, threshold
        self.bfloat16 = bfloat16
        network = torchvision.models.resnet18(num_classes=num_classes)
        network.prototypes = self.torch.nn.Parameter(
            self.torch.randn(num_classes, network.fc.in_features)
        )
        self.network = network.to(memory_format=self.torch.channels_last).train()
        self.average = copy.deepcopy(network)
        used = [p for n, p in network.named_parameters() if self._is_used(n)]
        self.optimizer = self.torch.optim.Adam(used, 1e-4, eps=1e-7)
        colors = (1, 3, 1, 1)
        self.mean = self.torch.tensor([123.675, 116.28, 103.53]).reshape(colors)
        self.deviation = self.torch.tensor([58.395, 57.12, 57.375]).reshape(colors)

    def _is_used(self, name):
        return name != "prototypes" or self.scheme == "ReMoP"

    def __call__(self, batch, labels):
        """One step on uint8 images (B, height, width, 3) a view; its loss."""
        loss = SCHEMES[self.scheme](self, batch, labels)
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
        images = images.permute(0, 3, 1, 2).float()
        images = (images - self.mean) / self.deviation
        network, torch = self.network, self.torch
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            x = network.maxpool(network.relu(network.bn1(network.conv1(images))))
            for group in (1, 2, 3, 4):
                x = getattr(network, f"layer{group}")(x)
            embedding = torch.flatten(network.avgpool(x), 1)
        embedding = embedding.float()
        return embedding, network.fc(embedding)

    def labels_of(self, probs):
        """Pseudo-labels, and the mask of those that pass."""
        confidence, labels = probs.detach().max(-1)
        return labels, (confidence >= self.threshold).float()

    def cross_entropy(self, logits, labels):
        return self.torch.nn.functional.cross_entropy(logits, labels, reduction="none")


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
    similarity = similarity.masked_fill(torch.eye(2 * kept).bool(), -1e9)
    other = torch.arange(2 * kept).roll(kept)
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
    diagonal = torch.eye(count).bool()
    gram = (directions @ directions.T).masked_fill(diagonal, -1 / (count - 1))
    supervised = step.cross_entropy(logits, labels).mean()
    return (
        supervised
        + 0.2 * unlabeled
        + 1e-4 * (center + unlabeled_center)
        + 0.1 * gram.norm()
    )


SCHEMES = {"FixMatch": fixmatch, "Ada-CM": ada_cm, "ReMoP": remop}
