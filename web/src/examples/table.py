# A table of the package pandas, named under Options. Click on a column's name to sort by it.
import random

import pandas as pd

cities = ["Hamburg", "Lagos", "Lima", "Osaka", "Toronto"]
days = pd.date_range("2026-01-01", periods=60)
weather = pd.DataFrame(
    {
        "day": [day for day in days for _ in cities],
        "city": cities * len(days),
        "degrees": [round(random.gauss(15, 8), 1) for _ in range(60 * len(cities))],
        "rain": [random.choice([None, 0.2, 1.5, 12.0]) for _ in range(60 * len(cities))],
    }
)
display(weather.groupby("city")["degrees"].agg(["min", "mean", "max"]).round(1))
weather
