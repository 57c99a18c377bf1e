"""The name of every golden, by the directory of its writer; readable without TF.

The writing scripts check that they define these, ``registry_test.py`` that exactly
these lie here.
"""

from __future__ import annotations

__all__ = ["GOLDENS"]

# Of graph mode: every TensorFlow writes them.
_FILES = (
    "saver_v2",
    "saver_v2_resource",
    "saver_v1",
    "saver_v1_and_v2",
    "sharded_v2",
    "sharded_v1",
    "sharded_v1_single",
    "partitioned_axis_0",
    "partitioned_axis_1",
    "partitioned_resource",
    "partitioned_single",
    "partitioned_vector",
    "partitioned_adam",
    "partitioned_sharded",
    "sliced_v1_axis_0",
    "sliced_v1_axis_1",
    "sliced_v1_sharded",
    "names",
    "names_v1",
    "shapes",
    "empty_basename",
    "braces",
    "dtypes",
    "dtypes_v1",
)
_MODELS = (
    "optimizer_adadelta",
    "optimizer_adagrad",
    "optimizer_adagrad_da",
    "optimizer_adam",
    "optimizer_adam_named",
    "optimizer_ftrl",
    "optimizer_gradient_descent",
    "optimizer_momentum",
    "optimizer_nesterov",
    "optimizer_proximal_adagrad",
    "optimizer_proximal_gradient_descent",
    "optimizer_rmsprop",
    "optimizer_rmsprop_centered",
    "optimizer_scoped",
    "optimizer_two_adams",
    "optimizer_loss_scale",
    "ema",
    "ema_scoped",
    "default_names",
    "string_and_bool_variables",
    "hash_table",
)

_DIRECTORIES = (
    "model_directory",
    "model_directory_elsewhere",
    "model_directory_v1",
    "model_directory_v1_sharded",
    "monitored_session",
    "saved_model",
)

_GRAPH_OBJECTS = ("graph_checkpoint", "graph_iterator")

# TensorFlow 2.16 took the Estimator.
_ESTIMATORS = (
    "estimator_custom",
    "estimator_dnn",
    "estimator_linear",
    "estimator_object_based",
)

# Keras 3 took the cells of TF1 with it.
_CELLS = (
    "rnn_basic",
    "rnn_basic_lstm",
    "rnn_lstm_peepholes",
    "rnn_gru",
    "rnn_multi",
    "rnn_bidirectional",
)

# With what only TensorFlow 1 has, or large enough that once will do.
_TF1_ONLY = (
    "estimator_partitioned",
    "graph_keras_weights",
    "many_keys",
    "optimizer_adamax",
    "optimizer_adamw",
    "optimizer_add_sign",
    "optimizer_gan",
    "optimizer_ggt",
    "optimizer_lars",
    "optimizer_lazy_adam",
    "optimizer_momentumw",
    "optimizer_nadam",
    "optimizer_power_sign",
    "optimizer_shampoo",
    "rnn_cudnn_compatible",
    "rnn_contrib",
    "rnn_outputs",
    "rnn_rare",
    "layers",
    "layers_contrib",
)

# Training that goes on; each has what its next steps are to be.
_RESUMED = tuple(
    f"resume_{name}"
    for name in (
        *("adadelta", "adagrad", "adam", "adam_named", "adam_weight_decay", "ftrl"),
        *("gradient_descent", "momentum", "nesterov"),
        *("rmsprop", "rmsprop_centered", "rmsprop_momentum"),
        *("rnn_basic_lstm", "rnn_basic_rnn", "rnn_cudnn_gru", "rnn_cudnn_lstm"),
        *("rnn_gru", "rnn_gru_block", "rnn_lstm", "rnn_lstm_block"),
        *("rnn_lstm_fused", "rnn_stack", "rnn_two_ways", "rnn_two_ways_stacked"),
        # Of tf.contrib.opt, and ALBERT's.
        *("adam_gs", "adamax", "adamw", "lamb", "lamb_plain", "lazy_adam"),
        *("lazy_adam_gs", "momentumw"),
        # Of tf.keras, in a graph.
        *("keras_adadelta", "keras_adagrad", "keras_adam", "keras_adamax"),
        *("keras_amsgrad", "keras_compiled", "keras_ftrl", "keras_nadam"),
        *("keras_rmsprop", "keras_rmsprop_centered", "keras_sgd", "keras_sgd_decay"),
        # Under a schedule, most of them with sparse gradients too.
        *("decaying_adagrad_da", "decaying_adam_weight_decay", "decaying_lamb"),
        *("decaying_lars", "decaying_momentum", "decaying_nadam", "decaying_nesterov"),
        *("decaying_proximal_adagrad", "decaying_proximal_gradient_descent"),
        # With sparse gradients.
        *("sparse_adadelta", "sparse_adagrad", "sparse_adam", "sparse_adamax"),
        *("sparse_ftrl", "sparse_lazy_adam", "sparse_momentum", "sparse_rmsprop"),
        "sparse_rmsprop_plain",
    )
)

_WHOLE = tuple(f"whole_{name}" for name in ("bert", "bidirectional", "convnet", "dnn"))

# Of eager mode.
_OBJECTS = (
    "checkpoint_nested",
    "checkpoint_root",
    "checkpoint_vars",
    "checkpoint_names",
    "checkpoint_empty",
    "checkpoint_manager",
    "checkpoint_variables",
    "checkpoint_slots",
    "checkpoint_iterator",
    "checkpoint_python_state",
    "checkpoint_tables",
    "checkpoint_sharded_variable",
    "checkpoint_mirrored",
    "checkpoint_devices",
    "dual_keyed",
    "dtypes_new",
    "variants",
    "saved_model_module",
)

_OPTIMIZERS = (
    *("adadelta", "adagrad", "adam", "adam_amsgrad", "adam_ema", "adamax", "adamw"),
    *("ftrl", "nadam", "rmsprop", "rmsprop_centered", "sgd", "sgd_momentum"),
)
_NOT_LEGACY = ("adam_ema", "adamw")
_KERAS_3 = (
    *("layers", "root_model", "saved_model", "tracked_model"),
    *(f"optimizer_{name}" for name in _OPTIMIZERS),
)
_KERAS_2 = (
    *_KERAS_3,
    *("mixed_precision", "weights"),
    *(f"legacy_{name}" for name in _OPTIMIZERS if name not in _NOT_LEGACY),
)

_EVERYWHERE = (*_FILES, *_MODELS, *_DIRECTORIES, *_GRAPH_OBJECTS)

GOLDENS = {
    "tf1_15": (*_EVERYWHERE, *_ESTIMATORS, *_CELLS, *_TF1_ONLY, *_RESUMED, *_WHOLE),
    "tf2_15": (
        *(*_EVERYWHERE, *_ESTIMATORS, *_CELLS, *_OBJECTS),
        *(f"keras_{name}" for name in _KERAS_2),
    ),
    "tf2_21": (
        *(*_EVERYWHERE, *_OBJECTS, "checkpoint_sharding_policy"),
        *(f"keras_{name}" for name in _KERAS_3),
        *(f"tf_keras_{name}" for name in _KERAS_2),
    ),
}
