"""The name of every golden, by the directory of its writer; readable without TF.

The writing scripts check that they define exactly these, ``registry_test.py`` that
exactly these lie here.
"""

from __future__ import annotations

__all__ = ["GOLDENS"]

TF1=['saver_v2', 'saver_v2_resource', 'saver_v1', 'saver_v1_and_v2', 'sharded_v2', 'sharded_v1', 'sharded_v1_single', 'partitioned_axis_0', 'partitioned_axis_1', 'partitioned_resource', 'partitioned_single', 'partitioned_vector', 'partitioned_adam', 'partitioned_sharded', 'sliced_v1_axis_0', 'sliced_v1_axis_1', 'sliced_v1_sharded', 'names', 'names_v1', 'shapes', 'empty_basename', 'braces', 'many_keys', 'dtypes', 'dtypes_v1']
GOLDENS={"tf1_15":TF1,"tf2_15":TF1,"tf2_21":TF1}