# The writing scripts are programs: each needs the TensorFlow that it writes with.
collect_ignore_glob = ["recording.py", "tf1_*.py", "tf2_*.py", "write_*.py"]
