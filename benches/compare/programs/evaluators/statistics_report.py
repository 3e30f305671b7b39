import json
import math
import statistics

values = input_data["latencies"]
mean = statistics.fmean(values)
deviation = statistics.stdev(values)
quartiles = statistics.quantiles(values, n=4)
spread = quartiles[2] - quartiles[0]
outliers = [value for value in values if value > quartiles[2] + 1.5 * spread]
ranks = sorted(range(len(values)), key=values.__getitem__)
slope, intercept = statistics.linear_regression(range(len(values)), values)
report = {
    "mean": round(mean, 3),
    "deviation": round(deviation, 3),
    "median": statistics.median(values),
    "quartiles": [round(value, 3) for value in quartiles],
    "outliers": outliers,
    "fastest": ranks[:3],
    "trend": round(slope, 4),
    "confidence": round(1.96 * deviation / math.sqrt(len(values)), 3),
}
print(json.dumps(report))
