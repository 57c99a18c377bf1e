"""What the tests of testing share."""

from __future__ import annotations

from types import ModuleType

import pytest


@pytest.fixture
def net(tf: ModuleType) -> ModuleType:
    """The layers of TF1; to import them needs TensorFlow."""
    del tf
    from tests.testing import tf1_networks

    return tf1_networks
