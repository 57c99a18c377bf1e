"""Optimizers of TF1 that go on in Keras, and back: found, judged, and made rules of."""
