"""Proposes the map from one checkpoint to another, or to a live model.

What is there becomes *items* (`items`): weights, and RNN cells taken as one (`cells`).
Pairs that *fit* (`fits`) by dtype and shape are scored by their words (`words`), their
numbers (`numbers`), their order (`order`) and, in rounds, by what stands beside them
(`context`); `matching` solves for the best whole, `confidence` says how sure it is, and
`compression` writes it as few rules.
"""
