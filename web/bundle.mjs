// How sources become JavaScript, for the build and for the tests alike.

import * as fs from "node:fs";
import { resolve } from "node:path";

/** `import text from "./file?text"` gives a file's content, whatever the file is. */
const textImports = {
  name: "text-imports",
  setup(build) {
    build.onResolve({ filter: /\?text$/ }, ({ path, resolveDir }) => ({
      path: resolve(resolveDir, path.slice(0, -"?text".length)),
      namespace: "text",
    }));
    build.onLoad({ filter: /.*/, namespace: "text" }, ({ path }) => ({
      contents: fs.readFileSync(path, "utf8"),
      loader: "text",
      watchFiles: [path],
    }));
  },
};

export const bundleOptions = {
  format: "esm",
  target: ["es2022"],
  plugins: [textImports],
  charset: "utf8",
  legalComments: "none",
};
