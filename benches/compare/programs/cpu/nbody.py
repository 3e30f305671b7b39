# Planets under gravity, in floating-point arithmetic (the family "n-body").
import math

DAYS = 365.24
SOLAR = 4 * math.pi * math.pi


def body(position, velocity, mass):
    return [*position, *(speed * DAYS for speed in velocity), mass * SOLAR]


BODIES = [
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, SOLAR],
    body((4.84143144246472090, -1.16032004402742839, -0.103622044471123109),
         (0.00166007664274403694, 0.00769901118419740425, -0.0000690460016972063023), 0.000954791938424326609),
    body((8.34336671824457987, 4.12479856412430479, -0.403523417114321381),
         (-0.00276742510726411390, 0.00499852801234917238, 0.0000230417297573763929), 0.000285885980666130812),
    body((12.8943695621391310, -15.1111514016986312, -0.223307578892655734),
         (0.00296460137564761618, 0.00237847173959480950, -0.0000296589568540237556), 0.0000436624404335156298),
    body((15.3796971148509165, -25.9193146099879641, 0.179258772950371181),
         (0.00268067772490389322, 0.00162824170038242295, -0.0000951592254519715870), 0.0000515138902046611451),
]
PAIRS = [(a, b) for index, a in enumerate(BODIES) for b in BODIES[index + 1 :]]


def advance(steps, dt):
    for _ in range(steps):
        for a, b in PAIRS:
            dx, dy, dz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
            force = dt / ((dx * dx + dy * dy + dz * dz) ** 1.5)
            pull, push = b[6] * force, a[6] * force
            a[3] -= dx * pull
            a[4] -= dy * pull
            a[5] -= dz * pull
            b[3] += dx * push
            b[4] += dy * push
            b[5] += dz * push
        for one in BODIES:
            one[0] += dt * one[3]
            one[1] += dt * one[4]
            one[2] += dt * one[5]


def energy():
    total = sum(0.5 * one[6] * (one[3] ** 2 + one[4] ** 2 + one[5] ** 2) for one in BODIES)
    return total - sum(a[6] * b[6] / math.dist(a[:3], b[:3]) for a, b in PAIRS)


for axis in range(3):
    BODIES[0][3 + axis] = -sum(one[3 + axis] * one[6] for one in BODIES[1:]) / SOLAR
first = energy()
advance(20_000, 0.01)
print(f"{first:.9f} {energy():.7f}")
