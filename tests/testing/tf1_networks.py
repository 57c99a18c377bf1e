"""Layers of TF1, written as its programs were."""

import tensorflow as tf

v1 = tf.compat.v1


def dense(x, units, scope):
    with v1.variable_scope(scope):
        kernel = v1.get_variable("kernel", [x.shape[-1], units])
        return tf.matmul(x, kernel) + v1.get_variable("bias", [units])


def conv(x, filters, scope, *, strides=2, padding="SAME"):
    with v1.variable_scope(scope):
        kernel = v1.get_variable("kernel", [3, 3, x.shape[-1], filters])
        y = tf.nn.conv2d(x, kernel, strides, padding)
        return y + v1.get_variable("bias", [filters])


def batch_norm(x, scope, *, epsilon=1e-3, training=False):
    ones, zeros = v1.ones_initializer(), v1.zeros_initializer()
    with v1.variable_scope(scope):
        size = [x.shape[-1]]
        gamma = v1.get_variable("gamma", size, initializer=ones)
        beta = v1.get_variable("beta", size, initializer=zeros)
        mean = v1.get_variable("moving_mean", size, initializer=zeros)
        variance = v1.get_variable("moving_variance", size, initializer=ones)
        if training:
            return v1.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon)[0]
        return v1.nn.fused_batch_norm(
            x, gamma, beta, mean, variance, epsilon=epsilon, is_training=False
        )[0]


def flat(x):
    return tf.reshape(x, [x.shape[0], -1])
