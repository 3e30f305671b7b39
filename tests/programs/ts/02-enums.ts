enum Direction { Up = 1, Down, Left = 10, Right }
enum Text { A = 'a', B = `b`, C = A + B }
enum Mixed { No = 0, Yes = 'YES', Computed = 'abc'.length, Next = Computed + 1 }
const enum Flags { None, Read = 1 << 0, Write = 1 << 1, Both = Read | Write }
enum Merged { One = 1 } enum Merged { Two = 2 }
declare enum External { X }
namespace Merged { export const all = [Merged.One, Merged.Two]; export function label(m: Merged): string { return Merged[m]; } }
console.log(Direction, Direction.Down, Direction[11], Text, Mixed, Flags.Both, Flags.Write & Flags.Both, Merged.label(2), Merged.all);
const names = Object.keys(Direction).filter((k) => isNaN(+k)); console.log(names, Object.values(Text), Direction['Up'], (d: Direction): string => Direction[d]);
function move(d: Direction): string { switch (d) { case Direction.Up: return 'up'; case Direction.Down: return 'down'; default: return `other ${d}`; } } console.log([1, 2, 10].map(move)); class Holder { static Kind = Direction; kind: Direction = Direction.Left; } console.log(new Holder(), Holder.Kind.Up); export enum Exported { E = -1 } console.log(Exported[-1], typeof Exported, Direction.Up === 1);
