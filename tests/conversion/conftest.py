# A program that TensorFlow 1.15 runs, not a test.
collect_ignore = ["tf1_restores.py"]
