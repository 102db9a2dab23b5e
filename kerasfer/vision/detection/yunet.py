"""YuNet, OpenCV's detector, with a model file of the user's."""

import pathlib

import numpy as np

from kerasfer.vision.detection.finding import Face
from kerasfer.vision.images import cv2, with_channels


class YuNetDetector:
    """YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023).

    Args:
        model: path of `face_detection_yunet_....onnx` from OpenCV's model zoo, which
            does not come with this package.
        min_confidence: of a face, in [0, 1].
        min_side: of a face's box in pixels.

    Raises:
        FileNotFoundError: the model is not there.
        ValueError: OpenCV cannot read it.

    >>> detector = YuNetDetector("face_detection_yunet_2023mar.onnx")  # doctest: +SKIP
    """

    def __init__(self, model, min_confidence=0.9, min_side=20):
        if not pathlib.Path(model).is_file():
            raise FileNotFoundError(
                f"{model} does not exist. Get YuNet's model from OpenCV's model zoo "
                "(github.com/opencv/opencv_zoo, models/face_detection_yunet)."
            )
        self.min_side = min_side
        try:
            self._detector = cv2.FaceDetectorYN.create(
                str(model), "", (320, 320), score_threshold=min_confidence
            )
        except cv2.error as error:
            raise ValueError(
                f"{model} is not a model that OpenCV {cv2.__version__} reads: {error}"
            ) from None

    def __call__(self, image):
        """The faces of a photo, as of `MTCNNDetector`."""
        bgr = cv2.cvtColor(with_channels(image, 3), cv2.COLOR_RGB2BGR)
        self._detector.setInputSize((image.shape[1], image.shape[0]))
        found = self._detector.detect(bgr)[1]
        rows = np.zeros((0, 15)) if found is None else np.asarray(found, float)
        faces = [
            # The first eye and corner of the mouth are the person's right ones, which
            # are on the left of the image.
            Face(tuple(row[:4].tolist()), row[4:14].reshape(5, 2), float(row[14]))
            for row in rows
            if min(row[2:4]) >= self.min_side
        ]
        return sorted(faces, key=lambda face: face.box[0])
