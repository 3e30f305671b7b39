const turns = [
  { output: "Paris.", references: ["paris", "the city of Paris"], tokens: 12 },
  { output: "The capital is   BERLIN!", references: ["Berlin"], tokens: 31 },
  { output: "I do not know", references: ["Madrid"], tokens: 7 },
  { output: "It's Rome, of course", references: ["Rome", "Roma"], tokens: 19 },
];

const normalise = (text) =>
  text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s]/gu, " ")
    .split(/\s+/)
    .filter(Boolean)
    .join(" ");

function grade({ output, references }) {
  const given = normalise(output);
  const wanted = references.map(normalise);
  if (wanted.includes(given)) return 1;
  return wanted.some((reference) => given.includes(reference)) ? 0.5 : 0;
}

const scores = turns.map(grade);
const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
const tokens = turns.map((turn) => turn.tokens).sort((a, b) => a - b);
const report = { scores, mean, median: (tokens[1] + tokens[2]) / 2, passed: mean >= 0.5 };
// Not an object alone on the last line: the server would take that for the return value.
console.log("report", JSON.stringify(JSON.parse(JSON.stringify(report))));
