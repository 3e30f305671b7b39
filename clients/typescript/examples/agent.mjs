// A loop in which a model writes programs, sees what they print and return, and tries again.
//
// The model is scripted here, so that the example runs by itself: a call of a real one takes its place.

import { Faas } from "faas-server-client";

const sales = '[{"region": "North", "amounts": 70}, {"region": "South", "amounts": 50}]';
// What the model says after what it saw.
const script = [
  ["", "import json\ndata = json.load(open('sales.json'))\nprint(len(data), 'rows')"],
  ["2 rows", "sum(row['amount'] for row in data)"],
  ["KeyError: 'amount'", "print(data[0])\nsum(row['amounts'] for row in data)"],
  ["{'region': 'North', 'amounts': 70}\n120", "ANSWER: The total is 120."],
];

/** @param {number} turn @param {string} observation */
function model(turn, observation) {
  const [expected, says] = script[turn] ?? [];
  if (expected !== observation || says === undefined)
    throw new Error(`not in the script: ${observation}`);
  return says;
}

const faas = new Faas();
let observation = "";
/** @type {import("faas-server-client").StreamOptions} */
let options = { files: { "sales.json": sales }, keep: true, timeout: 10_000 };
for (let turn = 0; turn < 10; turn += 1) {
  const said = model(turn, observation);
  console.log(said);
  if (said.startsWith("ANSWER: ")) break;
  const seen = [];
  const stream = faas.stream(said, options);
  for await (const event of stream) {
    if (event.type === "stdout") seen.push(event.text.trim());
    else if (event.type === "display") seen.push(event.result.text ?? "");
  }
  const result = await stream.result();
  observation = result.error?.message ?? seen.join("\n");
  // The next program goes on where the last good one ended.
  if (result.snapshot && result.ok)
    options = { from: result.snapshot, keep: true, timeout: 10_000 };
}
