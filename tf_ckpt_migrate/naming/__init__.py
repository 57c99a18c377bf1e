"""Names and identities: pure strings, no files and no values.

`keys` is the grammar of keys, `slots` decides the role of a tensor. A `catalog` holds
the tensors of one side with every name that each goes by, and `identity` matches two of
them without rules.
"""
