"""The data of a study: read from any frame or file, checked against the design once, handed out as arrays."""

from impactkit.data.controls import Clients, ControlData, clients, control_episodes, note_episodes
from impactkit.data.fitnotes.build import Episodes, build_episodes
from impactkit.data.fitnotes.diagnosis import DiagnosisGroups
from impactkit.data.frames import read_table
from impactkit.data.needs import ColumnNeed
from impactkit.data.study import StudyData
from impactkit.data.synthetic_facts import health_led_facts, health_led_facts_frame
from impactkit.data.synthetic_fit_notes import (
    SYNTHETIC_NOTES_TITLE,
    synthetic_control_episodes,
    synthetic_fit_notes,
)
from impactkit.data.synthetic_note_facts import fit_note_facts, fit_note_facts_frame
from impactkit.data.synthetic_pilots import synthetic_norm_design, synthetic_pilot_clients, synthetic_truth
from impactkit.data.synthetic_trials import SYNTHETIC_TITLE, synthetic_health_led_design, synthetic_health_led_trials

__all__ = [
    "SYNTHETIC_NOTES_TITLE",
    "SYNTHETIC_TITLE",
    "Clients",
    "ColumnNeed",
    "ControlData",
    "DiagnosisGroups",
    "Episodes",
    "StudyData",
    "build_episodes",
    "clients",
    "control_episodes",
    "fit_note_facts",
    "fit_note_facts_frame",
    "health_led_facts",
    "health_led_facts_frame",
    "note_episodes",
    "read_table",
    "synthetic_control_episodes",
    "synthetic_fit_notes",
    "synthetic_health_led_design",
    "synthetic_health_led_trials",
    "synthetic_norm_design",
    "synthetic_pilot_clients",
    "synthetic_truth",
]
