// An uncaught error. Follow a line number in the stack.
class Stack {
  #items = [];
  push(item) {
    this.#items.push(item);
  }
  pop() {
    if (this.#items.length === 0) {
      throw new RangeError("the stack is empty");
    }
    return this.#items.pop();
  }
}

function evaluate(expression) {
  const stack = new Stack();
  for (const token of expression.split(" ")) {
    if (/^\d+$/.test(token)) {
      stack.push(Number(token));
    } else {
      const [right, left] = [stack.pop(), stack.pop()];
      stack.push(token === "+" ? left + right : left * right);
    }
  }
  return stack.pop();
}

console.log("2 3 + 4 * =", evaluate("2 3 + 4 *"));
console.log("2 + =", evaluate("2 +"));
