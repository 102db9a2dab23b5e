"""What the recipes share; TensorFlow is imported only when a run starts."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
