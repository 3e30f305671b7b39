// Figures as people read them.

/** 0, 0.4 ms, 12 ms, 1.25 s */
export function formatMs(ms: number): string {
  if (ms === 0) return "0";
  if (ms < 1) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(2)} s`;
}

/** 17 B, 1.5 kB, 38.2 MB */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB"];
  let value = bytes;
  let unit = -1;
  do {
    value /= 1000;
    unit++;
  } while (value >= 999.95 && unit < units.length - 1);
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** 1 row, 12,345 rows */
export function formatCount(count: number, what: string): string {
  return `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
}

/** 40 s, 5 min, 2 h 10 min */
export function formatLong(ms: number): string {
  const s = Math.ceil(ms / 1000);
  if (s < 100) return `${s} s`;
  const min = Math.ceil(s / 60);
  if (min < 100) return `${min} min`;
  return `${Math.floor(min / 60)} h ${min % 60} min`;
}
