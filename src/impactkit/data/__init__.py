"""The data of a study: read from any frame or file, checked against the design once, handed out as arrays."""

from impactkit.data.frames import read_table
from impactkit.data.needs import ColumnNeed
from impactkit.data.study import StudyData

__all__ = ["ColumnNeed", "StudyData", "read_table"]
