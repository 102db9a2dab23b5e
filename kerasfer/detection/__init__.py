"""Finds faces in photos, and cuts them out."""

from kerasfer.detection.finding import Face, MTCNNDetector, find_faces

__all__ = ["Face", "MTCNNDetector", "find_faces"]
