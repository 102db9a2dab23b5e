"""Finished runs side by side: what `kerasfer compare` does."""
