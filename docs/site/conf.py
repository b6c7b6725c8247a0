"""conf.py - how Sphinx makes the site of the pages that build.py lays out.
SPDX-License-Identifier: MIT
"""
import os

project = "libcconc"
author = "the authors of libcconc"
copyright = "the authors of libcconc; MIT licence"
version = release = os.environ.get("CCONC_VERSION", "")

extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
root_doc = "docs/site/index"
highlight_language = "text"

html_theme = "furo"
html_title = f"libcconc {version}".strip()
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None
pygments_style = "tango"
pygments_dark_style = "native"
