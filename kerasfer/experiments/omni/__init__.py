"""The stages of omni-supervision: primitive learner, selection, distillation."""
