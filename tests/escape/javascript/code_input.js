// Reads the request's input with getters that lead elsewhere.
// Known from: __proto__ in JSON.
// expect: success
const parsed = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 2}}}');
Object.assign({}, parsed);
console.log({}.polluted, typeof input_data === "undefined" ? "none" : typeof input_data, typeof input === "undefined" ? "none" : typeof input);
