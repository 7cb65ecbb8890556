"""CrossTab: person rows and published counts tell the same, as do base R and the report's own table."""

from __future__ import annotations

import subprocess
import csv
