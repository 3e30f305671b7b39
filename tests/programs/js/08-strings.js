console.log('abc'.padStart(5, '*'), 'abc'.padEnd(6, 'xy'), '  trim '.trim() + '|', 'a-b-c'.replaceAll('-', '+'), 'aXbX'.replace(/x/gi, (m, o) => m + o));
console.log('café'.normalize('NFD').length, 'ß'.toUpperCase(), 'İ'.toLowerCase().length, 'z'.localeCompare('ä', 'de'), ['ä', 'a', 'z'].sort(new Intl.Collator('sv').compare));
console.log('😀'.length, '😀'.codePointAt(0), String.fromCodePoint(128512), '😀a'.at(-1), 'a\u{1F600}b'.split(''), [...'a\u{1F600}b'], 'x'.isWellFormed(), '\ud800'.isWellFormed(), 'a\ud800'.toWellFormed());
const tag = (s, ...v) => s.raw.map((r, i) => r + (v[i] ?? '')).join(''); console.log(tag`a\n${1}b${2}`, String.raw`\x${5}`, `multi
line ${[1, 2]} ${{}} ${() => 1}`);
console.log('2024-02-29'.match(/(?<y>\d{4})-(?<m>\d\d)-(?<d>\d\d)/).groups, [...'a1b22'.matchAll(/\d+/g)].map((m) => [m[0], m.index]), 'aBc'.search(/[A-Z]/), 'a,b;c'.split(/[,;]/), 'abc'.split('', 2));
console.log(/(?<=\$)\d+/.exec('cost $42')[0], /^\p{Lu}/u.test('Éa'), 'x'.match(/y/), /a.c/s.test('a\nc'), /(\w)\1/.exec('hello'), 'aaa'.lastIndexOf('a'), /\bfoo\b/i.test('a FOO b'));
const re = /a/y; re.lastIndex = 1; console.log(re.test('ba'), re.lastIndex, /x(?=y)/g[Symbol.replace]('xy xz', '_'), 'john smith'.replace(/(\w+) (\w+)/, '$2, $1'), /[\p{L}--[a-z]]/v.test('A'), /(?:)/d.exec('').indices);
console.log('%', escape('a b&ü'), unescape('%u0107'), encodeURIComponent('a b&c/ü😀'), decodeURIComponent('%F0%9F%98%80'), encodeURI('http://x/a b?q=ü#h'));
console.log('a'.charCodeAt(), 'abc'.charAt(1), 'abc'[5], 'abc'.substring(2, 0), 'abc'.substr(-2, 1), 'abc'.slice(-2), 'ab'.concat(1, null), 'abcabc'.indexOf('c', 3), 'abc'.startsWith('b', 1), 'x'.anchor('n'));
console.log(btoa('hello'), atob('aGVsbG8='), new TextDecoder('utf-16le').decode(new Uint8Array([104, 0, 105, 0])), new TextDecoder().decode(new TextEncoder().encode('ünïcödé 😀')), new TextDecoder('latin1').decode(new Uint8Array([233])), new TextEncoder().encode('é'));
console.log('line1\nline2'.split('\n'), '\x41\u0042\u{43}', 'tab\there', "it's", 'say "hi"', `back\`tick`, ['it\'s "x"', '\\', '\b\f\v\0']);
console.log(Array.from({ length: 3 }, (_, i) => String.fromCharCode(97 + i)).join(''), 'abc' < 'abd', '10' < '9', 'a' + 1 + 2, 1 + 2 + 'a', +'12px', parseInt('12px'), Number(''), Number(' 5 '));
