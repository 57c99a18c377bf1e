"""What is known of the layouts of TF1 and Keras: every module registers its recipes."""
