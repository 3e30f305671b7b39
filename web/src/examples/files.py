# Files that the program leaves in the folder output come back with the answer.
import csv
import math

with open("output/waves.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["x", "sin", "cos"])
    for step in range(0, 361, 10):
        angle = math.radians(step)
        table.writerow([step, f"{math.sin(angle):.4f}", f"{math.cos(angle):.4f}"])

points = " ".join(f"{x},{60 - 50 * math.sin(math.radians(x)):.1f}" for x in range(361))
with open("output/wave.svg", "w") as file:
    file.write(
        '<svg xmlns="http://www.w3.org/2000/svg" width="720" height="240" viewBox="0 0 360 120">'
        '<rect width="360" height="120" fill="#fff"/>'
        '<path d="M0 60H360" stroke="#cbd5e1"/>'
        f'<polyline points="{points}" fill="none" stroke="#0f766e" stroke-width="2"/></svg>'
    )

print("wrote waves.csv and wave.svg")
