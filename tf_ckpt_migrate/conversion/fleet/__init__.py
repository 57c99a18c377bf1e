"""Many checkpoints by one request: found, recognised where done, converted, told."""
