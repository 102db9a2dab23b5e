"""The map before pooling, for schemes with heads of their own on it."""


def feature_map_of(classifier):
    """The output of the layer `feature_map`, (batch, height, width, channels).

    Raises:
        ValueError: the classifier has no such layer.
    """
    try:
        return classifier.get_layer("feature_map").output
    except ValueError:
        raise ValueError(
            "The classifier has no layer `feature_map`. Build it by "
            "kerasfer.build_classifier (--head pooled) from a backbone that gives a "
            "map (batch, height, width, channels)."
        ) from None
