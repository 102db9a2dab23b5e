"""VGG-16 in the layout of VGG-Face."""

import keras
import numpy as np
import pytest
from support.pytorch_files import save

from kerasfer import build_classifier
from kerasfer.backbones import load_pytorch, vgg16

RNG = np.random.default_rng(0)
DEPTHS = {1: 2, 2: 2, 3: 3, 4: 3, 5: 3}
NAMES = [f"conv{g}_{n}" for g, depth in DEPTHS.items() for n in range(1, depth + 1)]


def state_dict(side, width):
    """Weights in PyTorch's layout, of images with this side."""
    channels = [3, 64, 64, 128, 128, 256, 256, 256] + 6 * [512]
    arrays = {}
    for name, before, after in zip(NAMES, channels[:-1], channels[1:], strict=True):
        scale = np.sqrt(2 / (9 * before))
        arrays[f"{name}.weight"] = RNG.normal(0, scale, (after, before, 3, 3))
        arrays[f"{name}.bias"] = RNG.normal(0, 0.1, after)
    inputs = 512 * (side // 32) ** 2
    for name, before, after in (("fc6", inputs, width), ("fc7", width, width)):
        arrays[f"{name}.weight"] = RNG.normal(0, np.sqrt(2 / before), (after, before))
        arrays[f"{name}.bias"] = RNG.normal(0, 0.1, after)
    arrays["fc8.weight"] = RNG.normal(size=(2622, width))
    arrays["fc8.bias"] = RNG.normal(size=2622)
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def test_the_size_is_vgg_face_s():
    # 14,714,688 in the convolutions of configuration D, 25,088 inputs to fc6.
    network = vgg16((224, 224, 3), width=8)
    assert network.count_params() == 14_714_688 + 25_089 * 8 + 9 * 8
    assert [x.name for x in network.layers if x.weights] == [*NAMES, "fc6", "fc7"]


def test_the_map_is_flattened_channel_by_channel(tmp_path):
    # Two places a side at the last map, so that their order counts: fc6 picks one
    # channel at one place, as PyTorch numbers them.
    arrays = state_dict(side=64, width=4)
    chosen = [5 * 4 + 0, 5 * 4 + 1, 5 * 4 + 2, 5 * 4 + 3]  # channel 5, row by row
    arrays["fc6.weight"] = np.eye(2048, dtype=np.float32)[chosen]
    arrays["fc6.bias"] = np.zeros(4, np.float32)
    backbone = vgg16((64, 64, 3), width=4)
    ignored = load_pytorch(backbone, save(tmp_path / "vgg.pth", arrays))
    assert sorted(ignored) == ["fc8.bias", "fc8.weight"]
    last = [x for x in backbone.layers if isinstance(x, keras.layers.MaxPooling2D)][-1]
    parts = keras.Model(backbone.input, [last.output, backbone.get_layer("fc6").output])
    pooled, picked = parts(RNG.normal(size=(2, 64, 64, 3)).astype(np.float32))
    np.testing.assert_allclose(
        picked, np.asarray(pooled)[..., 5].reshape(2, 4), rtol=1e-5
    )


def test_too_small_images_are_refused():
    with pytest.raises(ValueError, match="32 pixels .* Received: .*16, 16, 3"):
        build_classifier("vgg16", (16, 16, 3), 7)


def test_parity_with_torchvision(torchvision, tmp_path):
    import torch

    theirs = torchvision.models.vgg16(weights=None).eval()
    theirs.avgpool = torch.nn.Identity()  # at 64 pixels 2 x 2, not 7 x 7
    theirs.classifier = torch.nn.Sequential(
        torch.nn.Linear(2048, 8),
        torch.nn.ReLU(),
        torch.nn.Linear(8, 8),
        torch.nn.ReLU(),
    )
    layers = [x for x in theirs.features if isinstance(x, torch.nn.Conv2d)]
    layers += [theirs.classifier[0], theirs.classifier[2]]
    arrays = state_dict(side=64, width=8)
    with torch.no_grad():
        for name, layer in zip([*NAMES, "fc6", "fc7"], layers, strict=True):
            layer.weight.copy_(torch.from_numpy(arrays[f"{name}.weight"]))
            layer.bias.copy_(torch.from_numpy(arrays[f"{name}.bias"]))
    ours = vgg16((64, 64, 3), width=8)
    load_pytorch(ours, save(tmp_path / "vgg.pth", arrays))
    images = RNG.normal(size=(2, 64, 64, 3)).astype(np.float32)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(images.transpose(0, 3, 1, 2))).numpy()
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(ours(images), expected, atol=1e-4)
