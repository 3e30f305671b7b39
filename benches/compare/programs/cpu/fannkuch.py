# Pancake flips over all permutations, in lists and slices (the family "fannkuch").


def fannkuch(size):
    order, count = list(range(size)), list(range(1, size + 1))
    checksum, most, sign, depth = 0, 0, 1, size
    while True:
        if order[0]:
            deck, flips = order[:], 0
            while top := deck[0]:
                deck[: top + 1] = deck[top::-1]
                flips += 1
            most = max(most, flips)
            checksum += sign * flips
        if sign == 1:
            order[0], order[1] = order[1], order[0]
            sign = -1
            continue
        order[1], order[2] = order[2], order[1]
        sign = 1
        for depth in range(2, size):
            count[depth] -= 1
            if count[depth]:
                break
            if depth == size - 1:
                return checksum, most
            count[depth] = depth + 1
            order.insert(depth + 1, order.pop(0))


print(*fannkuch(9))
