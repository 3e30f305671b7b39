for (const attempt of [() => new URL("nope"), () => new URL("/x", "also nope"), () => new URL("http://")]) {
  try {
    attempt();
  } catch (error) {
    console.log(error.name, error.message, error.code, error.input, error.base, error instanceof TypeError);
  }
}
class Mine extends URL {
  get first() {
    return this.pathname.split("/")[1];
  }
}
const mine = new Mine("/a/b", "https://example.com");
console.log(mine.first, mine instanceof URL, mine.constructor === Mine, new URL("x:y").constructor === URL);
console.log(URL.canParse("nope"), URL.canParse("/x", "http://a"), URL.name, URL.length);
console.log(new URL("http://u:p@h:81/p?q=1#f"), Object.prototype.toString.call(mine));
try {
  URL("http://a");
} catch (error) {
  console.log(error.name);
}
