# A plot with the package matplotlib, named under Options. Figures left open come back as pictures.
import random

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(7, 4))
for _ in range(6):
    position, path = 0.0, [0.0]
    for _ in range(300):
        position += random.gauss(0, 1)
        path.append(position)
    axes.plot(path, linewidth=1.2)
axes.set_title("Six random walks")
axes.set_xlabel("step")
axes.grid(alpha=0.3)
figure.tight_layout()
