function total({ price, count, coupon }) {
  if (count === null) throw new TypeError("no count");
  const share = coupon === "TEN" ? 0.9 : 1;
  return Math.round(price * count * share * 100) / 100;
}
