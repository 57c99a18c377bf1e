"""Tensors on disk: the index of a checkpoint, its data shards, and the older V1 file.

A checkpoint with prefix ``P`` is a table ``P.index`` and ``N`` data shards
``P.data-00000-of-0000N``. The index maps "" to a ``BundleHeaderProto`` and every other
key to a ``BundleEntryProto``: dtype, shape, and where in which shard the bytes lie.

Source of the format: ``tensorflow/core/util/tensor_bundle/tensor_bundle.h`` and
``tensorflow/core/protobuf/tensor_bundle.proto``.
"""
