def total(order):
    price = order["price"] * order["count"]
    if order["coupon"] == "TEN":
        price *= 0.9
    return round(price, 2)
