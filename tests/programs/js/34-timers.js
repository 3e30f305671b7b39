// What timers are in Node.js.
const t = setTimeout(() => console.log("late"), 100_000);
console.log(typeof t, t.hasRef(), t.unref() === t, t.hasRef(), t.ref().hasRef(), t.constructor.name);
t.unref();
const number = +t;
console.log(typeof number, number > 0, `${t}` === String(number), t == number);
const i = setInterval(() => console.log("never"), 10);
clearInterval(i);
const byNumber = setTimeout(() => console.log("never"), 10);
clearTimeout(+byNumber);
const byText = setTimeout(() => console.log("never"), 10);
clearTimeout(`${byText}`);
const crossed = setInterval(() => console.log("never"), 10);
clearTimeout(crossed);
for (const nothing of [undefined, null, {}, "x", 12345, NaN]) clearTimeout(nothing);
const closed = setTimeout(() => console.log("never"), 10);
console.log(closed.close() === closed, closed.refresh() === closed);
let runs = 0;
const again = setTimeout(() => {
  runs++;
  console.log("run", runs);
  if (runs < 3) again.refresh();
  else tick();
}, 5);
let ticks = 0;
function tick() {
  const every = setInterval(
    (a, b) => {
      console.log("tick", a, b, ++ticks);
      if (ticks < 2) return;
      clearInterval(every);
      last();
    },
    5,
    "a",
    "b",
  );
}
function last() {
  const one = setTimeout(function () {
    console.log(this === one, this instanceof t.constructor, this.hasRef());
    console.log("end");
  }, 5);
}
for (const wrong of [undefined, null, "text", {}]) {
  try {
    setTimeout(wrong, 1);
  } catch (error) {
    console.log(error.name, error.code);
  }
}
const forgotten = setInterval(() => {}, 5);
forgotten.unref();
