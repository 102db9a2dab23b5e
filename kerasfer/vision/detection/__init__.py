"""Finds faces in photos, and cuts them out."""

from kerasfer.vision.detection.finding import Face, MTCNNDetector, find_faces
from kerasfer.vision.detection.yunet import YuNetDetector

__all__ = ["Face", "MTCNNDetector", "YuNetDetector", "find_faces"]
