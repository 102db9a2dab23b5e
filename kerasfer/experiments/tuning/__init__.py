"""Searches of a recipe's space by Keras Tuner."""
