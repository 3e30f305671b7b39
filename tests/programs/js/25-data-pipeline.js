const csv = `name,dept,salary,start
"Smith, J",Eng,120000,2019-04-01
Lee,Ops,85000,2021-11-15
"O""Neil",Eng,99500.50,2018-01-20
García,HR,70000,2022-06-30
Müller,Ops,91000,2017-09-09
,Eng,,`;
const parse = (text) => { const rows = []; let row = [], field = '', quoted = false; for (let i = 0; i < text.length; i++) { const c = text[i]; if (quoted) { if (c === '"' && text[i + 1] === '"') { field += '"'; i++; } else if (c === '"') quoted = false; else field += c; } else if (c === '"') quoted = true; else if (c === ',') { row.push(field); field = ''; } else if (c === '\n') { rows.push([...row, field]); row = []; field = ''; } else field += c; } rows.push([...row, field]); const [head, ...rest] = rows; return rest.map((r) => Object.fromEntries(r.map((v, i) => [head[i], v]))); };
const people = parse(csv).map((p) => ({ ...p, salary: p.salary === '' ? null : Number(p.salary), start: p.start ? new Date(p.start) : null })); console.log(people);
const groupBy = (xs, f) => xs.reduce((m, x) => ((m[f(x)] ??= []).push(x), m), {}); const byDept = groupBy(people.filter((p) => p.salary), (p) => p.dept); console.log(Object.keys(byDept), byDept.Eng.map((p) => p.name));
const stats = Object.entries(byDept).map(([dept, xs]) => { const s = xs.map((x) => x.salary).sort((a, b) => a - b); return { dept, n: s.length, total: s.reduce((a, b) => a + b), mean: +(s.reduce((a, b) => a + b) / s.length).toFixed(2), median: s.length % 2 ? s[s.length >> 1] : (s[s.length / 2 - 1] + s[s.length / 2]) / 2, max: s.at(-1) }; }); console.table(stats); console.log(JSON.stringify(stats, null, 1));
const sorted = [...people].sort((a, b) => (b.salary ?? -1) - (a.salary ?? -1) || a.name.localeCompare(b.name)); console.log(sorted.map((p) => p.name || '(none)').join(' > ')); const idx = new Map(people.map((p) => [p.name, p])); console.log(idx.get('Lee')?.dept, idx.get('nobody')?.dept ?? 'unknown', idx);
const hist = people.filter((p) => p.start).reduce((h, p) => h.set(p.start.getUTCFullYear(), (h.get(p.start.getUTCFullYear()) ?? 0) + 1), new Map()); for (const [y, n] of [...hist].sort()) console.log(y, '#'.repeat(n * 3)); const toCsv = (xs) => [Object.keys(xs[0]).join(), ...xs.map((x) => Object.values(x).map((v) => (/[",\n]/.test(v) ? `"${String(v).replaceAll('"', '""')}"` : v)).join())].join('\n'); console.log(toCsv(people.map(({ name, dept }) => ({ name, dept }))));
