"""The sorted-table file that every checkpoint index is (LevelDB's table, as in TF).

A table is a run of blocks, then a block that indexes them, then a footer::

    data block 0 .. n-1 | metaindex block (empty) | index block | footer (48 bytes)

Source of the format: ``tensorflow/core/lib/io/table*`` and ``format.h``, which follow
LevelDB's ``table/``. The twin modules ``block`` and ``reader``/``writer`` document the
bytes that they handle.
"""
