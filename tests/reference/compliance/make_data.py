"""Write the synthetic input of make_reference.R: `python make_data.py`. Same seed, same bytes."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
COLUMNS = (
    "stratum",
    "cluster",
    "z",
    "zc",
    "arm",
    "x1",
    "x2",
    "w",
    "y",
    "y2",
    "one",
    "two",
    "gap",
    "onec",
    "weak",
    "armed",
)


def trial() -> dict[str, list[str]]:
    """Four strata of unequal allocation, 30 clusters; the ready take the programme up, and do better anyway."""
    rng = np.random.default_rng(20260802)
    share = (0.5, 0.3, 0.6, 0.4)
    rows: dict[str, list[str]] = {name: [] for name in COLUMNS}
    code = 0
    for stratum, count in enumerate((12, 8, 6, 4)):
        treated = set(rng.permutation(count)[: max(2, round(share[stratum] * count))].tolist())
        for local in range(count):
            effect = rng.normal(0.0, 0.8)
            for _ in range(int(rng.integers(4, 19))):
                z = int(rng.random() < share[stratum])
                zc = int(local in treated)
                arm = str(rng.choice(["A", "B", "C"], p=[0.4, 0.35, 0.25]))
                ready = rng.normal() + 0.3 * effect
                x1 = 50.0 + 10.0 * rng.normal() + 3.0 * ready
                x2 = str(rng.choice(["high", "low", "mid"], p=[0.2, 0.5, 0.3]))
                one = int(z == 1 and ready > -0.6)
                two = int(ready > 0.9) if z == 0 else int(ready > -0.4)
                weak = int(ready > 0.2 - 0.12 * z)
                armed = int(ready > {"A": 1.2, "B": -0.3, "C": 0.4}[arm])
                base = 0.6 * stratum + effect + 0.7 * ready + 0.04 * x1 + {"high": -0.5, "low": 0.0, "mid": 0.4}[x2]
                y = base + (0.8 + 0.3 * ready) * two + 0.5 * one + rng.normal(0.0, 1.0)
                y2 = int(rng.random() < 1.0 / (1.0 + np.exp(-(base - 3.0 + 0.9 * two))))
                cells = {
                    "stratum": f"s{stratum + 1}",
                    "cluster": str(code),
                    "z": str(z),
                    "zc": str(zc),
                    "arm": arm,
                    "x1": f"{x1:.4f}",
                    "x2": x2,
                    "w": f"{np.exp(rng.normal(0.0, 0.5)):.5f}",
                    "y": "NA" if rng.random() < 0.07 else f"{y:.5f}",
                    "y2": "NA" if rng.random() < 0.12 else str(y2),
                    "one": str(one),
                    "two": str(two),
                    "gap": "NA" if rng.random() < 0.1 else str(two),
                    "onec": str(int(zc == 1 and ready > -0.6)),
                    "weak": str(weak),
                    "armed": str(armed),
                }
                for name in COLUMNS:
                    rows[name].append(cells[name])
            code += 1
    return rows


if __name__ == "__main__":
    columns = trial()
    lines = [",".join(columns), *(",".join(cells) for cells in zip(*columns.values(), strict=True))]
    (HERE / "trial.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
