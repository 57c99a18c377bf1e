"""How Sphinx makes the site of ``docs/``: ``python3 run_tests.py docs``.

The pages read well on GitHub too; ``docs/site/`` has those that only the site has, as
they are made from the sources: `tools.site_pages` says how.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tf_ckpt_migrate import __version__  # noqa: E402 - on the path only now

project = "tf-ckpt-migrate"
release = version = __version__
project_copyright = "the authors of tf-ckpt-migrate, Apache License 2.0"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "tools.site_pages",
]
highlight_language = "text"  # what names no language, as a layout, is no program
smartquotes = False  # a flag is `--rename`, and code is quoted as it is typed

# Pages are read from a disk too, so nothing is fetched: no fonts, scripts, inventories.
html_theme = "furo"
html_title = "tf-ckpt-migrate"
pygments_dark_style = "github-dark"  # the default underlines modules, like links
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False

# Links to headings, as GitHub has them.
myst_heading_anchors = 4

# Docstrings are Google's, with types in the signature only.
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "mixed"
autodoc_default_options = {"exclude-members": "rule"}  # which optimizers are made of
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # else an attribute is described twice, here and by its member
default_role = "code"

nitpicky = True
nitpick_ignore_regex = [
    # Described by others; their inventories would have to be fetched.
    (r"py:\w+", r"(collections|os|pathlib|typing|np|numpy|tf|tensorflow)\b.*"),
    # Names of unions, which mean something in a signature and have no page: what they
    # allow is said where they are used.
    (
        "py:class",
        "(AssignmentMap|Checkpoint)Like|Index|Keys|Names|Progress|Subject|Typed|WhichValues",
    ),
    ("py:class", "PTransform|PipelineOptions"),  # of Apache Beam
    # Of floors below, seen in a signature, that no caller makes.
    (
        "py:class",
        r".*\.(Bind|BundleReader|CheckpointView|ObjectGraph|_HasMap|_HasMoves|_Self|Shard)",
    ),
    ("py:class", "Found|Request|Sources"),
]
