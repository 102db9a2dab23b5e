"""Recipes, a script for each paper; installed as `kerasfer.recipes`.

`TRAINING` names those that have a `RECIPE`: what studies and searches can run.
"""

TRAINING = (
    "ada_cm",
    "baselines",
    "best",
    "large_margin",
    "large_margin_au",
    "margin_mix",
    "omni_supervised",
    "remop",
    "simsiam",
)
