"""The parts of detect_and_align.py: pictures in, shards of crops, one manifest."""
