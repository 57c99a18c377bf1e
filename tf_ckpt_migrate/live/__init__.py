"""TensorFlow's objects: variables, modules, models and what is restored into them."""
