"""The parts of recipes/predict.py: frames in, faces found, rows and images out."""
