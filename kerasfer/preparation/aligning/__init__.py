"""The parts of detect_and_align.py: photos in, shards of crops, one manifest."""
