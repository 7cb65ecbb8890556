"""Presentation, last: from tidy frames to tables, figures and one HTML page.

Nothing here estimates anything. A `Table` is frozen data with four renderers; a `Style` says how numbers are
dressed; `disclose` withholds small counts before anything is written; `forest` draws; `report_html` makes a
`Document` into one self-contained file; `write_files` writes a whole set or nothing. The same input gives the
same bytes.

Names load when first used: importing this room loads neither pandas nor matplotlib nor jinja2.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impactkit.report.disclosure import Disclosed, Withheld, disclose
    from impactkit.report.document import (
        Bullets,
        Callout,
        Document,
        Headline,
        Headlines,
        Paragraph,
        Picture,
        Section,
    )
    from impactkit.report.evidence import effect_heading
    from impactkit.report.figures import figure_bytes, forest, forest_alt_text
    from impactkit.report.figures_balance import love, love_alt_text
    from impactkit.report.figures_eq5d import (
        eq5d_changes,
        eq5d_changes_alt_text,
        eq5d_problems,
        eq5d_problems_alt_text,
    )
    from impactkit.report.figures_flow import flow_alt_text, flow_diagram
    from impactkit.report.figures_power import power_alt_text, power_curves
    from impactkit.report.figures_weeks_saved import (
        weeks_saved_alt_text,
        weeks_saved_forest,
        weeks_saved_tornado,
        weeks_saved_tornado_alt_text,
    )
    from impactkit.report.html import report_html
    from impactkit.report.labels import Labels
    from impactkit.report.style import DWP_TRIALS, PILOTS, PLAIN, Style, get_style
    from impactkit.report.suppression import SuppressedCounts, suppress_counts
    from impactkit.report.table import Cell, Column, Row, RowGroup, Table
    from impactkit.report.tables_balance import balance_table
    from impactkit.report.tables_cox import hazard_ratios_table
    from impactkit.report.tables_eq5d import eq5d_changes_table, eq5d_problems_table, eq5d_scores_table
    from impactkit.report.tables_flow import flow_table
    from impactkit.report.tables_frames import counts_table, frame_table, glance_table, tidy_table
    from impactkit.report.tables_impacts import impacts_table
    from impactkit.report.tables_norms import norms_table
    from impactkit.report.tables_odds import odds_ratios_table
    from impactkit.report.tables_power import detectable_table, power_table
    from impactkit.report.tables_weeks_saved import observed_expected_table, weeks_saved_grid_table, weeks_saved_table
    from impactkit.report.write import frame_csv, write_file, write_files

_HOMES = {
    "disclosure": ("Disclosed", "Withheld", "disclose"),
    "document": ("Bullets", "Callout", "Document", "Headline", "Headlines", "Paragraph", "Picture", "Section"),
    "evidence": ("effect_heading",),
    "figures": ("figure_bytes", "forest", "forest_alt_text"),
    "figures_power": ("power_alt_text", "power_curves"),
    "figures_balance": ("love", "love_alt_text"),
    "figures_eq5d": ("eq5d_changes", "eq5d_changes_alt_text", "eq5d_problems", "eq5d_problems_alt_text"),
    "figures_flow": ("flow_alt_text", "flow_diagram"),
    "figures_weeks_saved": (
        "weeks_saved_alt_text",
        "weeks_saved_forest",
        "weeks_saved_tornado",
        "weeks_saved_tornado_alt_text",
    ),
    "html": ("report_html",),
    "labels": ("Labels",),
    "style": ("DWP_TRIALS", "PILOTS", "PLAIN", "Style", "get_style"),
    "suppression": ("SuppressedCounts", "suppress_counts"),
    "table": ("Cell", "Column", "Row", "RowGroup", "Table"),
    "tables_balance": ("balance_table",),
    "tables_eq5d": ("eq5d_changes_table", "eq5d_problems_table", "eq5d_scores_table"),
    "tables_flow": ("flow_table",),
    "tables_frames": ("counts_table", "frame_table", "glance_table", "tidy_table"),
    "tables_impacts": ("impacts_table",),
    "tables_norms": ("norms_table",),
    "tables_cox": ("hazard_ratios_table",),
    "tables_odds": ("odds_ratios_table",),
    "tables_power": ("detectable_table", "power_table"),
    "tables_weeks_saved": ("observed_expected_table", "weeks_saved_grid_table", "weeks_saved_table"),
    "write": ("frame_csv", "write_file", "write_files"),
}
_PUBLIC = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DWP_TRIALS",
    "PILOTS",
    "PLAIN",
    "Bullets",
    "Callout",
    "Cell",
    "Column",
    "Disclosed",
    "Document",
    "Headline",
    "Headlines",
    "Labels",
    "Paragraph",
    "Picture",
    "Row",
    "RowGroup",
    "Section",
    "Style",
    "SuppressedCounts",
    "Table",
    "Withheld",
    "balance_table",
    "counts_table",
    "detectable_table",
    "disclose",
    "effect_heading",
    "eq5d_changes",
    "eq5d_changes_alt_text",
    "eq5d_changes_table",
    "eq5d_problems",
    "eq5d_problems_alt_text",
    "eq5d_problems_table",
    "eq5d_scores_table",
    "figure_bytes",
    "flow_alt_text",
    "flow_diagram",
    "flow_table",
    "forest",
    "forest_alt_text",
    "frame_csv",
    "frame_table",
    "get_style",
    "glance_table",
    "hazard_ratios_table",
    "impacts_table",
    "love",
    "love_alt_text",
    "norms_table",
    "observed_expected_table",
    "odds_ratios_table",
    "power_alt_text",
    "power_curves",
    "power_table",
    "report_html",
    "suppress_counts",
    "tidy_table",
    "weeks_saved_alt_text",
    "weeks_saved_forest",
    "weeks_saved_grid_table",
    "weeks_saved_table",
    "weeks_saved_tornado",
    "weeks_saved_tornado_alt_text",
    "write_file",
    "write_files",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'impactkit.report' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"impactkit.report.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
