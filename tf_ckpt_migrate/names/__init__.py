"""Plans: the assignment map, its rules, and what they come to.

An assignment map (`assignment_map`, of `rules`) is resolved against the tensors of the
source and the target (`resolution`) into a plan (`plan`), which accounts for every
tensor on both sides.
"""
