function total({ price, count, coupon }) {
  if (count === null) throw new TypeError("no count");
  return Math.round(price * count * (coupon === "TEN" ? 90 : 100)) / 100;
}
