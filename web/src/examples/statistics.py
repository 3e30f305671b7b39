# Two executions never draw the same random numbers.
import random
import statistics


def estimate_pi(samples):
    inside = sum(random.random() ** 2 + random.random() ** 2 < 1 for _ in range(samples))
    return 4 * inside / samples


estimates = [estimate_pi(2_000) for _ in range(40)]
low, high = min(estimates), max(estimates)
for value in sorted(estimates)[::4]:
    print(f"{value:.3f} {'▇' * round(2 + 38 * (value - low) / (high - low))}")

{
    "mean": round(statistics.mean(estimates), 4),
    "stdev": round(statistics.stdev(estimates), 4),
    "median": round(statistics.median(estimates), 4),
}
