"""Sphinx: prose in Markdown, the public names from the package itself."""

import inspect
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

import impactkit
from impactkit._version import __version__

project = "impactkit"
author = "the impactkit authors"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "numpydoc"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"impactkit {__version__}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]

autodoc_typehints = "none"  # the docstrings say types, with units and shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

PUBLIC_NAMES = "<!-- public names -->"
log = logging.getLogger(__name__)


def _entry(name: str, thing: Any) -> str:
    if inspect.ismodule(thing):
        kind, options = "automodule", "\n   :no-members:"
    elif inspect.isclass(thing):
        kind, options = "autoclass", "\n   :members:\n   :exclude-members: model_config"
    elif callable(thing):
        kind, options = "autofunction", ""
    else:
        kind, options = "autodata", "\n   :no-value:"
    return f"```{{eval-rst}}\n.. {kind}:: impactkit.{name}{options}\n```\n"


def public_names() -> str:
    """Every name of ``impactkit.__all__`` under the room it lives in, as Markdown."""
    rooms: dict[str, list[str]] = {}
    for name in sorted(getattr(impactkit, "__all__", ())):
        if name.startswith("_"):
            continue
        try:
            thing = getattr(impactkit, name)
        except (AttributeError, ImportError) as error:  # the tests say so; a page about the rest is still worth having
            log.info("impactkit.%s is left out: %s", name, error)
            continue
        home = getattr(thing, "__module__", "impactkit").split(".")
        room = home[1] if len(home) > 1 and home[0] == "impactkit" else "impactkit"
        rooms.setdefault(room, []).append(_entry(name, thing))
    return "\n".join(f"## {room}\n\n" + "\n".join(entries) for room, entries in sorted(rooms.items()))


def fill_in_public_names(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the public names where a page has the marker."""
    if PUBLIC_NAMES in source[0]:
        source[0] = source[0].replace(PUBLIC_NAMES, public_names())
        app.env.note_reread()  # the package may change while this page does not


def setup(app: Sphinx) -> None:
    app.connect("source-read", fill_in_public_names)
