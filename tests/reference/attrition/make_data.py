"""Write the synthetic inputs of make_reference.R: `python make_data.py`. Same seed, same bytes."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
N, M = 600, 20


def main() -> None:
    rng = np.random.default_rng(20260802)
    site = rng.choice(["north", "south"], N, p=[0.4, 0.6])
    z = (rng.random(N) < np.where(site == "north", 0.5, 0.35)).astype(int)
    age = rng.integers(18, 65, N)
    woman = rng.integers(0, 2, N)
    w = rng.uniform(0.5, 2.5, N).round(3)
    score = (0.06 * age + 0.8 * woman + 0.6 * z + (site == "north") + rng.normal(size=N)).round(1)  # tenths: ties
    work = (rng.random(N) < 1 / (1 + np.exp(-(score - 4)))).astype(int)
    chance = 1 / (1 + np.exp(-(-1.3 + 0.035 * age + 0.4 * z - 0.5 * woman)))
    seen = rng.random(N) < chance
    lines = ["id,z,site,age,woman,w,score,work"]
    for i in range(N):
        values = (f"{score[i]:.1f}", str(work[i])) if seen[i] else ("", "")
        lines.append(f"{i},{z[i]},{site[i]},{age[i]},{woman[i]},{w[i]:.3f},{values[0]},{values[1]}")
    (HERE / "trial.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    # values to pool: plain draws around a guess, in the order of the missing people
    missing = np.flatnonzero(~seen)
    guess = 0.06 * age + 0.8 * woman + 0.6 * z + (site == "north")
    shift = rng.normal(scale=0.15, size=(M, 1)) * (1 + z[missing])
    drawn = (guess[missing] + shift + rng.normal(size=(M, len(missing)))).round(3)
    lines = [",".join(["id", *(f"m{k + 1}" for k in range(M))])]
    lines += [
        ",".join([str(person), *(f"{value:.3f}" for value in drawn[:, place])]) for place, person in enumerate(missing)
    ]
    (HERE / "imputations.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
