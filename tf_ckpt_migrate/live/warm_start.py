"""``tf.compat.v1.train.warm_start``, in a graph and in eager mode."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from tf_ckpt_migrate.bundle.dtypes import TensorSpec
from tf_ckpt_migrate.checkpoint.reader import CheckpointReader, as_reader
from tf_ckpt_migrate.errors import (
    CheckpointError,
    PlanError,
    RuleError,
    TargetError,
    capped,
    nearest,
)
from tf_ckpt_migrate.findings import as_findings
from tf_ckpt_migrate.live.framework import tensorflow
from tf_ckpt_migrate.live.goals import names_of
from tf_ckpt_migrate.live.graph_views import kept_for_graph, named_view, naming_paths
from tf_ckpt_migrate.live.initialize import (
    initialize_eagerly,
    saved_name,
    shapes_in_graph,
)
from tf_ckpt_migrate.live.target import LiveTarget
from tf_ckpt_migrate.live.variables import is_variable, name_of
from tf_ckpt_migrate.naming.catalog import catalog_of
from tf_ckpt_migrate.transforms import Transform, Vocabulary

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["mended", "vocabulary_of", "warm_start"]


def mended(
    infos: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    """Return what TensorFlow is told in a graph, with initializers that it can call.

    It asks for new values as a column, whose length only the session knows: one that
    scales by the fans fails, and would scale by those of the column. Such a one is
    given the shape of the variable, of which as many values are taken as are wanted.

    Args:
      infos: By the name of the variable.
      shapes: Of variables, by name.
    """
    return {
        name: info._replace(backup_initializer=_by_fans(info, shapes[name]))
        if name in shapes and hasattr(info.backup_initializer, "mode")
        else info
        for name, info in infos.items()
    }


def _by_fans(info: Any, whole: tuple[int, ...]) -> Callable[..., Any]:
    tf = tensorflow()
    calls = count()

    def initializer(shape: Any, dtype: Any = None, **_: Any) -> Any:
        made = info.backup_initializer(whole, dtype or tf.float32)
        values, number = tf.reshape(made, [-1]), next(calls)
        if number:  # with a seed it makes the same again for each part, and for buckets
            values = tf.random.shuffle(values, seed=number)
        return tf.reshape(values[: tf.reduce_prod(shape)], shape)

    return initializer


def vocabulary_of(info: Any, spec: TensorSpec) -> Vocabulary:
    """Return what is done to a tensor as TensorFlow would do it.

    Args:
      info: A ``VocabInfo``. Buckets for words out of the vocabulary are new, whatever
        there were.
      spec: Of the tensor in the checkpoint.

    Raises:
      RuleError: If it is none.
      TransformError: If a vocabulary is not well formed, or does not fit.
    """
    if not hasattr(info, "new_vocab"):
        raise RuleError(f"a vocabulary is given as a VocabInfo, not {info!r}")
    made = _Warmed.from_files(
        info.old_vocab,
        info.new_vocab,
        old_vocab_size=None if info.old_vocab_size == -1 else info.old_vocab_size,
        new_vocab_size=info.new_vocab_size,
        num_oov_buckets=info.num_oov_buckets,
        axis=info.axis or 0,
        keep_buckets=False,
        make=info.backup_initializer,
        old_num_oov_buckets=0,
    )
    return made.with_buckets(spec)


@dataclass(frozen=True, repr=False)
class _Warmed(Vocabulary):
    """Gets new entries from an initializer of TensorFlow, or zeros."""

    make: Callable[..., Any] | None = None

    def _initial(self, missing: Array, result: Array, first: Array) -> Array:
        if self.make is None:
            return super()._initial(missing, result, first)
        import numpy as np

        made = self.make(result.shape, dtype=tensorflow().as_dtype(result.dtype))
        return np.moveaxis(np.asarray(made), self.axis, 0)[missing]


_Path = str | os.PathLike[str]


def warm_start(
    ckpt_to_initialize_from: _Path,
    vars_to_warm_start: str | Sequence[Any] | None = ".*",
    var_name_to_vocab_info: Mapping[str, Any] | None = None,
    var_name_to_prev_var_name: Mapping[str, str] | None = None,
    *,
    target: object = None,
) -> None:
    """Start variables from a checkpoint: TensorFlow's function, in eager mode too.

    In a graph this is ``tf.compat.v1.train.warm_start``, for checkpoints of every kind:
    tensors of an object-based one go by the names of variables that it holds, or by the
    paths of their objects, and may be given other names. Initializers then read them
    through a temporary index that lasts as long as the graph; a device on another
    machine could not read it. Where nothing fits ``vars_to_warm_start``, which the
    original does not mention, a warning is logged.

    In eager mode, which knows no variables by name, give ``target``, unless
    ``vars_to_warm_start`` has variables. Then it is done at once, all of it or none,
    and what fits nothing is an error.

    Args:
      ckpt_to_initialize_from: A model directory or the prefix of a checkpoint.
      vars_to_warm_start: A regular expression that the start of a trainable variable's
        name fits; a list of such, for variables that are not trainable too; or a list
        of variables. None means those of ``var_name_to_vocab_info``.
      var_name_to_vocab_info: A ``tf.compat.v1.train.VocabInfo`` for variables by name.
        Initializers that scale by fans, with which the original fails, serve too.
      var_name_to_prev_var_name: Names in the checkpoint, by names of variables, where
        they differ.
      target: In eager mode, what has the variables, as for `restore`.

    Raises:
      ValueError: If a tensor is missing, or has another shape, or names are given that
        are not used; in eager mode as a `PlanError`, also if nothing fits.
      TargetError: If in eager mode nothing tells which variables there are.
      TransformError: If in eager mode a vocabulary is not well formed or does not fit.
      CheckpointError: If in eager mode the checkpoint cannot be read.
      TensorFlowNotFoundError: If TensorFlow is not installed.

    Example:
      >>> import tensorflow as tf
      >>> from tf_ckpt_migrate.conversion.example import example_checkpoint
      >>> model = {"new/w": tf.Variable([0, 0], dtype=tf.int64)}
      >>> with example_checkpoint({"old/w": [1, 2], "old/b": [3]}) as prefix:
      ...     names = {"new/w": "old/w"}
      ...     warm_start(prefix, "new/", None, names, target=model)
      >>> model["new/w"].numpy().tolist()
      [1, 2]
    """
    infos = dict(var_name_to_vocab_info or {})
    if tensorflow().executing_eagerly():
        chosen = _chosen_or_told(vars_to_warm_start, infos, target)
        previous = dict(var_name_to_prev_var_name or {})
        pairs = _eager_pairs(chosen, previous)
        reader = as_reader(ckpt_to_initialize_from)
        changes = _changes(chosen, previous, infos, reader)
        initialize_eagerly(reader, pairs, (), target, changes)
        return
    _warn_if_nothing_fits(vars_to_warm_start)
    path = _readable(ckpt_to_initialize_from, vocabularies=bool(infos))
    with naming_paths(os.fspath(path), ckpt_to_initialize_from):
        tensorflow().compat.v1.train.warm_start(
            path,
            vars_to_warm_start,
            mended(infos, shapes_in_graph()) if infos else var_name_to_vocab_info,
            var_name_to_prev_var_name,
        )


def _chosen_or_told(
    chosen: str | Sequence[Any] | None, infos: Mapping[str, Any], target: object
) -> dict[str, Any]:
    """Return the variables to start, by name; those of vocabularies among them.

    Raises:
      PlanError: If a vocabulary is of a variable that is not to be started.
    """
    if chosen is None and infos:
        chosen = [f"{re.escape(name)}$" for name in infos]
    variables = _chosen(chosen, target)
    _check_used("var_name_to_vocab_info", infos, variables)
    return variables


def _changes(
    variables: Mapping[str, Any],
    previous: Mapping[str, str],
    infos: Mapping[str, Any],
    reader: CheckpointReader,
) -> list[tuple[Any, Transform]]:
    """Return what is done for vocabularies, by variable."""
    keys = catalog_of(reader).all_names
    sources = {name: previous.get(name, name) for name in infos}
    found = {name: keys.get(source, source) for name, source in sources.items()}
    return [
        (variables[name], vocabulary_of(infos[name], reader.specs[key]))
        for name, key in found.items()
        if key in reader  # else it is told of with the other tensors
    ]


def _readable(path: _Path, *, vocabularies: bool) -> _Path:
    """Return a path at which the original finds all by name."""
    try:
        reader = as_reader(path)
    except CheckpointError:
        return path  # TensorFlow says what is wrong with it
    # The operation that carries over vocabularies does not read V1 files.
    if reader.object_graph is None and not (vocabularies and reader.bundle is None):
        return path
    return kept_for_graph(named_view(reader))


def _warn_if_nothing_fits(patterns: str | Sequence[Any] | None) -> None:
    v1 = tensorflow().compat.v1
    keys = v1.GraphKeys
    listed = not isinstance(patterns, str)
    collection = keys.GLOBAL_VARIABLES if listed else keys.TRAINABLE_VARIABLES
    for pattern in _patterns(patterns):
        if not v1.get_collection(collection, scope=pattern):
            names = {saved_name(each) for each in v1.get_collection(collection)}
            v1.logging.warning("warm_start: %s", _fits_nothing(pattern, names))


def _patterns(given: str | Sequence[Any] | None) -> list[str]:
    if isinstance(given, list | tuple):
        return [each for each in given if isinstance(each, str)]
    return [given] if isinstance(given, str) else []


def _fits_nothing(pattern: str, names: Collection[str]) -> str:
    near = nearest(pattern, names) or capped(sorted(names), 5)
    return (
        f"{pattern!r} fits the name of no variable; it is a regular expression for its "
        f"start; there are {', '.join(map(repr, near)) or 'none'}"
    )


def _eager_pairs(
    variables: Mapping[str, Any], previous: dict[str, str]
) -> list[tuple[str, Any]]:
    """Return the names in the checkpoint, and the variable for each."""
    _check_used("var_name_to_prev_var_name", previous, variables)
    return [(previous.get(name, name), each) for name, each in variables.items()]


def _check_used(
    what: str, told: Mapping[str, Any], variables: Mapping[str, Any]
) -> None:
    unused = sorted({*told} - {*variables})
    if unused:
        near = [name for each in unused[:3] for name in nearest(each, variables)]
        raise PlanError(
            f"{what} names variables that are not to be started: "
            f"{', '.join(map(repr, capped(unused)))}; those that are: "
            f"{', '.join(map(repr, near or capped(variables, 5)))}",
            as_findings("unused", [f"not used: {name!r}" for name in unused]),
        )


def _chosen(chosen: str | Sequence[Any] | None, target: object) -> dict[str, Any]:
    """Return the variables to start, by name.

    Raises:
      ValueError: If these are no patterns or variables.
    """
    if chosen is None:
        return {}
    patterns = _patterns(chosen)
    if not patterns or (not isinstance(chosen, str) and len(patterns) < len(chosen)):
        return _by_own_names(chosen)
    if target is None:
        raise TargetError(
            "in eager mode nothing knows variables by their names: give their owner, "
            "warm_start(path, vars_to_warm_start, target=model), or variables in place "
            "of names"
        )
    live = LiveTarget(target)
    live.check_built()
    named = {name: live.variables[key] for key, name in names_of(live).items()}
    if isinstance(chosen, str):
        named = {name: each for name, each in named.items() if each.trainable}
    found = {pattern: _fitting(pattern, named) for pattern in patterns}
    idle = [_fits_nothing(pattern, named) for pattern in patterns if not found[pattern]]
    if idle:
        raise PlanError("\n".join(idle), as_findings("idle_rule", idle))
    return {name: named[name] for names in found.values() for name in names}


def _by_own_names(variables: Any) -> dict[str, Any]:
    """Return variables that are given as such by their names."""
    if not isinstance(variables, list | tuple) or not all(map(is_variable, variables)):
        raise ValueError(
            "vars_to_warm_start is a regular expression, or a list of such, or a list "
            f"of variables, not {variables!r}"
        )
    found = {name_of(each): each for each in variables}
    if len(found) < len({id(each) for each in variables}):
        raise TargetError(
            "several variables of vars_to_warm_start have one name, as eager variables "
            "may; give target={'name': variable, …} and names"
        )
    return found


def _fitting(pattern: str, names: Iterable[str]) -> list[str]:
    # In a graph the original looks at "w:0".
    fits = re.compile(pattern).match
    return [name for name in names if fits(name) or fits(f"{name}:0")]
