"""Fit notes to episodes of certified absence, with an account of what every rule did."""

from impactkit.data.fitnotes.audit import Audit, AuditLine
from impactkit.data.fitnotes.build import Episodes, build_episodes
from impactkit.data.fitnotes.diagnosis import DiagnosisGroup, DiagnosisGroups
from impactkit.data.fitnotes.names import find_columns

__all__ = ["Audit", "AuditLine", "DiagnosisGroup", "DiagnosisGroups", "Episodes", "build_episodes", "find_columns"]
