"""A trained model on labelled faces: what `kerasfer evaluate` does."""
