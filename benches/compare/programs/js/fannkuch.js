// Pancake flips over all permutations (the family "fannkuch").
function fannkuch(size) {
  const order = Array.from({ length: size }, (_, index) => index);
  const count = order.map((index) => index + 1);
  const deck = new Array(size);
  let checksum = 0;
  let most = 0;
  let sign = 1;
  for (;;) {
    if (order[0]) {
      for (let index = 0; index < size; index++) deck[index] = order[index];
      let flips = 0;
      for (let top = deck[0]; top; top = deck[0]) {
        for (let low = 0, high = top; low < high; low++, high--) {
          const card = deck[low];
          deck[low] = deck[high];
          deck[high] = card;
        }
        flips++;
      }
      most = Math.max(most, flips);
      checksum += sign * flips;
    }
    if (sign === 1) {
      [order[0], order[1]] = [order[1], order[0]];
      sign = -1;
      continue;
    }
    [order[1], order[2]] = [order[2], order[1]];
    sign = 1;
    for (let depth = 2; depth < size; depth++) {
      if (--count[depth]) break;
      if (depth === size - 1) return [checksum, most];
      count[depth] = depth + 1;
      order.splice(depth + 1, 0, order.shift());
    }
  }
}

console.log(fannkuch(9).join(" "));
