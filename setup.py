"""Metadata and dependencies of tf-ckpt-migrate, stated here and nowhere else."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def version() -> str:
    """Return the version without importing the package."""
    text = (ROOT / "tf_ckpt_migrate" / "_version.py").read_text(encoding="utf-8")
    return re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)[0]


setup(
    name="tf-ckpt-migrate",
    version=version(),
    description="Migrate TensorFlow checkpoints (TF1 names, TF2 objects) by rewriting "
    "only the index",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    packages=find_packages(include=["tf_ckpt_migrate", "tf_ckpt_migrate.*"]),
    package_data={
        "tf_ckpt_migrate": ["py.typed"],
        "tf_ckpt_migrate.report": ["page/*"],
    },
    # `build`, the default, is the file BUILD where file names ignore case.
    options={"build": {"build_base": ".build"}},
    python_requires=">=3.10,<3.14",
    # CONTRIBUTING.md says why each one. The lower bounds are installed and tested as
    # they stand (environment `lowest` of run_tests.py).
    install_requires=[
        "absl-py>=1.4",
        "cramjam>=2.8",
        "google-crc32c>=1.6",  # before, it needs pkg_resources, now gone
        "jinja2>=3.1",
        "ml-dtypes>=0.3.1",
        "numpy>=1.23.5",
        "protobuf>=4.25,<8",  # TF 2.15 asks for <5; 8 is not out, and majors break
        "PyYAML>=6.0.1",
        "rich>=13",
        "scipy>=1.10",
    ],
    extras_require={
        "tf": ["tensorflow>=2.15", "tf-keras>=2.15"],
        "far": ["fsspec>=2024.2"],  # and its package for the system: gcsfs, s3fs, ...
        "beam": ["apache-beam>=2.60"],
        "test": [
            "fsspec>=2024.2",
            "hypothesis>=6.100",
            "pytest>=8.2",
            "pytest-xdist>=3.5",
        ],
        "far-test": ["moto[server]>=5", "s3fs>=2024.2"],
        "docs": ["furo>=2024.8.6", "myst-parser>=4", "sphinx>=8"],
        "browser": [
            "axe-playwright-python>=0.1.5",
            "playwright>=1.50",
            "setuptools>=70.1",  # builds the wheel that a test looks into
        ],
        "fuzz": ["atheris>=2.3", "hypothesis>=6.100", "pytest>=8.2"],
        "lint": [
            "codespell>=2.4",
            "pyright[nodejs]>=1.1.400",
            "ruff>=0.12",
            "types-protobuf",
            "types-PyYAML",
        ],
    },
    entry_points={
        "console_scripts": ["tf-ckpt-migrate = tf_ckpt_migrate.cli.main:run"]
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
