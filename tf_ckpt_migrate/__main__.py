"""Runs the command: ``python -m tf_ckpt_migrate``."""

from tf_ckpt_migrate.cli.main import run

if __name__ == "__main__":
    run()
