"""Proposes the map from one checkpoint to another, or to a live model.

What both sides call the same is settled first (`identities`). RNN cells and joined
attention heads are taken as one (`cells`), and the other tensors are grouped into
layers (`layers`). Independent scorers compare the layers that can become each other
(`evidence`, with `words`, `numbers`, `order` and `digests`). `matching` chooses pairs
and says how sure they are; `draft` makes rules and checks the map in the planner.
"""
