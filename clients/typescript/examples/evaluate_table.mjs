// Scores the rows of a table with an evaluator that somebody else wrote, many rows at once.
//
// The evaluator is set up once and kept; each row is scored in a fork of it, which no other row can change.

import { Faas } from "faas-server-client";

const rows = [
  { question: "2 + 2", answer: "4", expected: "4" },
  { question: "capital of France", answer: "Lyon", expected: "Paris" },
  { question: "3 * 3", answer: "nine", expected: "9" },
];

// What an untrusted author wrote: it fails for a row, and shows how that is told.
const evaluator = `
let calls = 0;
function score(row: { answer: string; expected: string }) {
  calls += 1;
  if (!/^[A-Z0-9]/.test(row.answer)) throw new Error("not an answer: " + row.answer);
  return { score: Number(row.answer === row.expected), calls };
}
`;

const faas = new Faas();
const prepared = await faas.run(evaluator, { language: "typescript", keep: true });
const from = prepared.raiseForError().snapshot;
if (!from) throw new Error(`the evaluator was not kept: ${prepared.not_kept}`);

const results = await Promise.all(
  rows.map((row) =>
    faas.run("return score(input)", {
      language: "typescript",
      input: row,
      from,
      timeout: 5000,
    }),
  ),
);
await faas.snapshots.delete(from);
for (const [index, row] of rows.entries()) {
  const result = results[index];
  console.log(
    `${row.question}: ${result?.ok ? JSON.stringify(result.value) : result?.error?.message}`,
  );
}
