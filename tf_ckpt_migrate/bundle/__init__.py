"""Tensors on disk: the files of a checkpoint, their entries, dtypes and slices."""
