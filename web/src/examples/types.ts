// Real TypeScript: types, enums and generics are translated, positions stay yours.
enum Kind {
  Circle = "circle",
  Rectangle = "rectangle",
}

type Shape =
  { kind: Kind.Circle; radius: number } | { kind: Kind.Rectangle; width: number; height: number };

function area(shape: Shape): number {
  switch (shape.kind) {
    case Kind.Circle:
      return Math.PI * shape.radius ** 2;
    case Kind.Rectangle:
      return shape.width * shape.height;
  }
}

function groupBy<T, K extends string>(items: T[], key: (item: T) => K): Record<K, T[]> {
  const groups = {} as Record<K, T[]>;
  for (const item of items) (groups[key(item)] ??= []).push(item);
  return groups;
}

const shapes = [
  { kind: Kind.Circle, radius: 1.5 },
  { kind: Kind.Rectangle, width: 3, height: 4 },
  { kind: Kind.Circle, radius: 0.5 },
] satisfies Shape[];

for (const [kind, members] of Object.entries(groupBy<Shape, Kind>(shapes, (s) => s.kind))) {
  const total = members.map(area).reduce((sum, value) => sum + value, 0);
  console.log(`${kind.padEnd(10)} ${members.length} × total ${total.toFixed(2)}`);
}

return shapes.map(area).map((value) => Number(value.toFixed(3)));
