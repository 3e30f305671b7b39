# Largest singular value of an infinite matrix, in generators and calls (the family "spectral norm").


def entry(i, j):
    return 1.0 / ((i + j) * (i + j + 1) // 2 + i + 1)


def times(vector, transposed):
    size = len(vector)
    if transposed:
        return [sum(entry(j, i) * vector[j] for j in range(size)) for i in range(size)]
    return [sum(entry(i, j) * vector[j] for j in range(size)) for i in range(size)]


u = [1.0] * 130
for _ in range(10):
    v = times(times(u, False), True)
    u = times(times(v, False), True)
print(f"{(sum(a * b for a, b in zip(u, v)) / sum(b * b for b in v)) ** 0.5:.9f}")
