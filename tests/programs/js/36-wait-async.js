const ia = new Int32Array(new SharedArrayBuffer(16));
console.log(Atomics.waitAsync.name, Atomics.waitAsync.length);
console.log(Atomics.waitAsync(ia, 0, 1, 20), Atomics.waitAsync(ia, 0, 0, 0));
try {
  Atomics.waitAsync(new Int32Array(2), 0, 0, 1);
} catch (error) {
  console.log(error.name);
}
// A wait of 20 ms is over before a timer of a minute, which must not hold up the end either.
const minute = setTimeout(() => console.log("late"), 60_000);
Atomics.waitAsync(ia, 0, 0, 20).value.then((value) => {
  console.log("A", value);
  clearTimeout(minute);
  const { value: woken } = Atomics.waitAsync(ia, 1, 0, 60_000);
  woken.then((value) => console.log("B", value));
  setTimeout(() => console.log("woken", Atomics.notify(ia, 1)), 5);
  const { value: forever } = Atomics.waitAsync(ia, 2, 0);
  forever.then((value) => console.log("C", value));
  setTimeout(() => console.log("woken", Atomics.notify(ia, 2)), 50);
});
