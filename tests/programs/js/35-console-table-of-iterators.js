const m=new Map([['a',1],['b',{x:1}]]), s=new Set([1,'x',[2]]);
console.table(m.entries()); console.table(m.keys()); console.table(m.values()); console.table(m[Symbol.iterator]());
console.table(s.values()); console.table(s.entries()); console.table(s.keys()); console.table(new Map()); console.table(new Set().values()); console.table(new Map().entries());
const it=m.entries(); it.next(); console.table(it); console.table(it); console.log([...it]);
console.table([[1,2],[3]]); console.table(new Map([['a',{x:1,y:2}]]), ['x']);
console.table([new Map([[1,2]]), new Set([3])]);
console.table({a:m.values(), b:[1]});
