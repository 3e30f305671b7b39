def total(order):
    price = order["price"] * order["count"]
    return round(price * 0.9 if order["coupon"] == "TEN" else price, 2)
