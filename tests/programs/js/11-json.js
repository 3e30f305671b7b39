console.log(JSON.stringify({ a: 1, b: [1, 'x', null, undefined, () => {}, Symbol()], c: undefined, d: NaN, e: new Date(0), f: { toJSON() { return 'J'; } }, g: new Map([[1, 2]]), h: Infinity, i: Object(1n) === 1 }));
console.log(JSON.stringify({ x: [1, { y: 2 }], z: {} }, null, 2)); console.log(JSON.stringify([1, 2], null, '--'), JSON.stringify('\u2028"\\\n\ud800'), JSON.stringify({ b: 1, a: 2, c: 3 }, ['a', 'c']), JSON.stringify({ n: 5, s: 'x' }, (k, v) => (typeof v === 'number' ? v * 2 : v)));
console.log(JSON.parse('{"a":[1,2,{"b":null}],"c":"\\u00e9"}'), JSON.parse('[1,"2",true]', (k, v) => (k === '0' ? 'first' : v)), JSON.parse('"x"'), JSON.parse(' 1e3 '), JSON.stringify(undefined), JSON.stringify(null), JSON.stringify(() => {}));
for (const bad of ['', '{', '{"a":}', "{'a':1}", '[1,]', 'undefined', '{"a":1}x', '"\t"']) { try { JSON.parse(bad); } catch (e) { console.log(e.name, typeof e.message); } }
const deep = JSON.parse('['.repeat(500) + ']'.repeat(500)); let depth = 0; for (let x = deep; x; x = x[0]) depth++; console.log(depth);
const big = Array.from({ length: 2000 }, (_, i) => ({ id: i, tags: ['t' + (i % 7)], nested: { v: i / 3 } })); const text = JSON.stringify(big); console.log(text.length, JSON.stringify(JSON.parse(text)) === text);
try { const c = {}; c.c = c; JSON.stringify(c); } catch (e) { console.log(e.name, e.message.split('\n')[0]); } try { JSON.stringify(1n); } catch (e) { console.log(e.message); }
console.log({ parsed: JSON.parse('{"__proto__":{"x":1},"constructor":1}') });
