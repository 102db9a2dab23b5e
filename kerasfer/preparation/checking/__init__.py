"""The parts of check.py: pictures looked at, problems found, sheets drawn."""
