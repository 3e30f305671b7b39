// What both Deno alternatives share: the pinned Pyodide, booted as its documentation says, and one
// program run in a name space of its own.

// Boots the Pyodide in `directory`.
export async function boot(directory) {
  const { loadPyodide } = await import(`file://${directory}/pyodide.mjs`);
  return await loadPyodide({ indexURL: directory });
}

// Unpacks the wheels in `directory` for Python to import.
export function unpackWheels(pyodide, directory) {
  for (const { name } of Deno.readDirSync(directory)) {
    if (name.endsWith(".whl")) {
      pyodide.unpackArchive(Deno.readFileSync(`${directory}/${name}`), "wheel");
    }
  }
}

// Runs a program. The answer has what it printed and the value of its last expression.
export async function run(pyodide, { code, input }) {
  let stdout = "";
  const capture = { batched: (line) => (stdout += line + "\n") };
  pyodide.setStdout(capture);
  pyodide.setStderr(capture);
  const globals = pyodide.toPy({ __name__: "__main__", input_data: input ?? null });
  try {
    const value = await pyodide.runPythonAsync(code, { globals });
    const text = value === undefined || value === null ? "" : String(value);
    return { stdout, value: text, status: "success" };
  } catch (error) {
    return { stdout, value: String(error), status: "error" };
  } finally {
    globals.destroy();
  }
}
