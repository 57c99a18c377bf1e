"""Checkpoint to checkpoint: plans carried out on files, without TensorFlow."""
