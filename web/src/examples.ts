// Programs to start from.

import type { Language } from "./api.ts";
import awaitJs from "./examples/await.js?text";
import awaitPy from "./examples/await.py?text";
import displayPy from "./examples/display.py?text";
import errorJs from "./examples/error.js?text";
import evaluatorJs from "./examples/evaluator.js?text";
import evaluatorInput from "./examples/evaluator.json?text";
import evaluatorPy from "./examples/evaluator.py?text";
import filesPy from "./examples/files.py?text";
import helloJs from "./examples/hello.js?text";
import helloPy from "./examples/hello.py?text";
import plotPy from "./examples/plot.py?text";
import simulationTs from "./examples/simulation.ts?text";
import statisticsPy from "./examples/statistics.py?text";
import tablePy from "./examples/table.py?text";
import tracebackPy from "./examples/traceback.py?text";
import typesTs from "./examples/types.ts?text";

export interface Example {
  title: string;
  language: Language;
  code: string;
  input?: string;
  packages?: string;
}

/** Grouped by language; the first of each is what a language starts with. */
export const examples: Example[] = [
  { title: "Hello", language: "python", code: helloPy },
  { title: "JSON evaluator", language: "python", code: evaluatorPy, input: evaluatorInput },
  { title: "Top-level await, streaming", language: "python", code: awaitPy },
  { title: "Exception with traceback", language: "python", code: tracebackPy },
  { title: "Random and statistics", language: "python", code: statisticsPy },
  { title: "Results: HTML and data", language: "python", code: displayPy },
  { title: "Table with pandas", language: "python", code: tablePy, packages: "pandas" },
  { title: "Plot with matplotlib", language: "python", code: plotPy, packages: "matplotlib" },
  { title: "Files", language: "python", code: filesPy },
  { title: "Hello", language: "javascript", code: helloJs },
  { title: "JSON evaluator", language: "javascript", code: evaluatorJs, input: evaluatorInput },
  { title: "Top-level await, streaming", language: "javascript", code: awaitJs },
  { title: "Error with stack", language: "javascript", code: errorJs },
  { title: "Types and generics", language: "typescript", code: typesTs },
  { title: "Simulation", language: "typescript", code: simulationTs },
];

/** What a language starts with. */
export function firstExample(language: Language): Example {
  const first = examples.find((example) => example.language === language);
  if (!first) throw new Error(`no example in ${language}`);
  return first;
}
