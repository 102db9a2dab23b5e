"""The parts of recipes/predict.py: frames in, faces found, rows and pictures out."""
