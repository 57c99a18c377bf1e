"""For the tests of models that are being migrated: a contract on names, and proofs."""

from tf_ckpt_migrate.conversion.manifest import NameManifest
from tf_ckpt_migrate.testing.contract import assert_checkpoint_compatible, manifest_of
from tf_ckpt_migrate.testing.outputs import assert_same_outputs
from tf_ckpt_migrate.testing.record_tf1 import record_outputs
from tf_ckpt_migrate.testing.training import assert_same_training

__all__ = [
    "NameManifest",
    "assert_checkpoint_compatible",
    "assert_same_outputs",
    "assert_same_training",
    "manifest_of",
    "record_outputs",
]
