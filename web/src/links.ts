// Finds places in the user's program that tracebacks and stacks name.

export interface Location {
  /** The number of the cell, if it is in one of a session. */
  cell?: number;
  line: number;
  column?: number;
}

export interface Piece {
  text: string;
  location?: Location;
}

// Python: File "<code>", line 3. JavaScript: <code>:3:14. In sessions <cell 2> is where <code> is.
const PLACES =
  /File "<(?:code|cell (\d{1,7}))>", line (\d{1,7})|<(?:code|cell (\d{1,7}))>:(\d{1,7})(?::(\d{1,7}))?/g;
const MOST_LINKS = 500;

/** Cuts text into plain pieces and pieces that name a location. */
export function findLocations(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  let links = 0;
  for (const match of text.matchAll(PLACES)) {
    if (++links > MOST_LINKS) break;
    if (match.index > end) pieces.push({ text: text.slice(end, match.index) });
    const location: Location = { line: Number(match[2] ?? match[4]) };
    const cell = match[1] ?? match[3];
    if (cell) location.cell = Number(cell);
    if (match[5]) location.column = Number(match[5]);
    pieces.push({ text: match[0], location });
    end = match.index + match[0].length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end) });
  return pieces;
}

export interface Failure extends Location {
  message: string;
}

/**
 * Where an uncaught error arose, by its report on stderr: Python names that frame last, V8 first. With `cell`, the
 * place in the cell of that number.
 */
export function failureOf(stderr: string, language: string, cell?: number): Failure | undefined {
  const tail = stderr.slice(-64_000);
  const places = findLocations(tail).flatMap(({ location }) =>
    location && location.cell === cell ? [location] : [],
  );
  const place = language === "python" ? places.at(-1) : places[0];
  if (!place) return undefined;
  const lines = tail.split("\n").filter((line) => line.trim() !== "");
  const message =
    language === "python"
      ? lines.at(-1)
      : lines.find((line) => /^(?:Uncaught )?\w*Error\b/.test(line));
  return { ...place, message: (message ?? "Error").trim().slice(0, 500) };
}
