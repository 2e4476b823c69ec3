"""The configuration of the docs' site: every Markdown page of the repository, built by `make docs`.

The source folder is the repository, so that all relative links and anchors are checked as a code-hosting site would
follow them. A page that nobody lists in `contents.md` is an error too.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "Uriba"
author = "The Uriba authors"
html_title = "Uriba 売り場"
extensions = ["myst_parser", "source_pages"]

root_doc = "docs/_site/contents"
include_patterns = ["*.md", "**/*.md"]
exclude_patterns = [".*", "**/.*", "**/__pycache__", "build", "dist", "node_modules", "**/node_modules"]
templates_path = ["templates"]
nitpicky = True
highlight_language = "none"
# Examples are shortened with "…", which is no JSON.
suppress_warnings = ["misc.highlighting_failure"]

myst_heading_anchors = 4
myst_links_external_new_tab = False

html_theme = "furo"
html_static_path = ["static", "../images/seal.svg"]
html_css_files = ["site.css"]
html_favicon = "../images/seal.svg"
html_additional_pages = {"index": "redirect.html"}
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {
    "sidebar_hide_name": False,
    "light_css_variables": {
        "color-brand-primary": "#cf4127",
        "color-brand-content": "#b13a22",
        "color-brand-visited": "#8a3a5a",
        "color-sidebar-link-text": "#1f2a4d",
        "color-sidebar-link-text--top-level": "#1f2a4d",
        "color-sidebar-background": "#f8f4ea",
        "color-sidebar-background-border": "#e6dfce",
        "color-sidebar-search-background": "#fffdf8",
        "color-sidebar-item-background--hover": "#efe8d8",
        "color-inline-code-background": "#f5f1e6",
        "color-code-background": "#faf7f0",
        "color-table-header-background": "#f5f1e6",
        "color-table-border": "#e6dfce",
    },
    "dark_css_variables": {
        "color-brand-primary": "#ff8a6b",
        "color-brand-content": "#ff9d83",
        "color-brand-visited": "#d9a3bd",
        "color-sidebar-link-text": "#d3d8ea",
        "color-sidebar-link-text--top-level": "#d3d8ea",
        "color-background-primary": "#12172a",
        "color-background-secondary": "#171d34",
        "color-sidebar-background": "#171d34",
        "color-sidebar-background-border": "#252d4c",
        "color-sidebar-search-background": "#12172a",
        "color-sidebar-item-background--hover": "#222a48",
        "color-inline-code-background": "#1e2540",
        "color-code-background": "#181e36",
        "color-table-header-background": "#1e2540",
        "color-table-border": "#2b3458",
    },
}
