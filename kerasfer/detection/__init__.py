"""Finds faces in photos, and cuts them out."""

from kerasfer.detection.finding import Face, MTCNNDetector, find_faces
from kerasfer.detection.yunet import YuNetDetector

__all__ = ["Face", "MTCNNDetector", "YuNetDetector", "find_faces"]
