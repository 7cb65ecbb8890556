"""Write the synthetic inputs of make_reference.R: `python make_data.py`. Same seed, same bytes."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
COLUMNS = (
    *("stratum", "cluster", "local_cluster", "z", "zc", "arm", "group"),
    *("x1", "x2", "level", "w", "y", "y2"),
)


def _write(name: str, columns: dict[str, list[str]]) -> None:
    lines = [",".join(columns), *(",".join(cells) for cells in zip(*columns.values(), strict=True))]
    (HERE / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def trial() -> dict[str, list[str]]:
    """A trial in four strata of unequal size and allocation, clusters of unequal size nested in them."""
    rng = np.random.default_rng(20260801)
    clusters_in = (12, 8, 6, 4)
    share = (0.5, 0.3, 0.6, 0.4)
    rows: dict[str, list[object]] = {name: [] for name in COLUMNS}
    code = 0
    for stratum, count in enumerate(clusters_in):
        treated = set(rng.permutation(count)[: max(2, round(share[stratum] * count))].tolist())
        for local in range(count):
            size = int(rng.integers(3, 16)) if (stratum, local) != (0, 0) else 34
            effect = rng.normal(0.0, 1.0)
            for _ in range(size):
                z = int(rng.random() < share[stratum])
                arm = str(rng.choice(["A", "B", "C"], p=[0.4, 0.35, 0.25]))
                x1 = 50.0 + rng.normal(0.0, 10.0) + effect
                x2 = str(rng.choice(["low", "mid", "high"], p=[0.5, 0.3, 0.2]))
                weight = float(np.exp(rng.normal(0.0, 0.5)))
                base = 0.8 * stratum + effect + 0.05 * x1 + {"low": 0.0, "mid": 0.5, "high": -0.7}[x2]
                y = base + (0.6 + 0.02 * (x1 - 50.0)) * z + rng.normal(0.0, 1.0 + 0.5 * z)
                y2 = float(rng.random() < 1.0 / (1.0 + np.exp(-(base - 3.5 + 0.4 * z))))
                rows["stratum"].append(f"s{stratum + 1}")
                rows["cluster"].append(code)
                rows["local_cluster"].append(local)
                rows["z"].append(z)
                rows["zc"].append(int(local in treated))
                rows["arm"].append(arm)
                rows["group"].append(int(rng.integers(0, 5)))
                rows["x1"].append(f"{x1:.4f}")
                rows["x2"].append(x2)
                rows["level"].append(f"{1e6 + (x1 - 50.0) / 10.0 + rng.normal(0.0, 0.5):.4f}")
                rows["w"].append(f"{weight:.5f}")
                rows["y"].append("NA" if rng.random() < 0.07 else f"{y:.5f}")
                rows["y2"].append("NA" if rng.random() < 0.12 else f"{y2:.0f}")
            code += 1
    return {name: [str(cell) for cell in cells] for name, cells in rows.items()}


if __name__ == "__main__":
    _write("trial.csv", trial())
