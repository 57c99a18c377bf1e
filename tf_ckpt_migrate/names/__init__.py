"""Names and plans: pure strings, no files and no tensors.

An assignment map (`assignment_map`, of `rules`) is resolved against what the source and
the target hold (`resolution`) into a plan (`plan`), which accounts for every name on
both sides. `keys` is the grammar of both worlds, `slots` tells optimizer memory from
weights.
"""
