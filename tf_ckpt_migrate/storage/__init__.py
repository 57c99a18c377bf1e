"""Files of checkpoints, wherever they are: on a disk here, or behind ``scheme://``."""
