"""The command ``tf-ckpt-migrate``: one module for each subcommand."""
