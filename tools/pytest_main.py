"""The program of every ``py_test``: pytest over the file that Bazel names."""

import sys

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:]))
