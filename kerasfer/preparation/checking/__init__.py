"""The parts of check.py: images looked at, problems found, sheets drawn."""
