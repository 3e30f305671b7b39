// Fetches the Pyodide that pyodide-dist/manifest.json pins, with `npm pack`, and verifies it.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const directory = new URL("../pyodide-dist/", import.meta.url).pathname;
const { npm } = JSON.parse(fs.readFileSync(join(directory, "manifest.json"), "utf8"));

function digest(algorithm, encoding, path) {
  return createHash(algorithm).update(fs.readFileSync(path)).digest(encoding);
}

function isRight(path, sha256) {
  return fs.existsSync(path) && digest("sha256", "hex", path) === sha256;
}

const wrong = Object.entries(npm.files).filter(
  ([name, sha256]) => !isRight(join(directory, name), sha256),
);
if (wrong.length > 0) {
  console.log(`setup: fetching ${npm.package} ${npm.version}`);
  const work = fs.mkdtempSync(join(tmpdir(), "pyodide-"));
  try {
    const run = (command, ...args) =>
      execFileSync(command, args, { cwd: work, stdio: ["ignore", "pipe", "inherit"] }).toString();
    const archive = join(
      work,
      run("npm", "pack", "--silent", `${npm.package}@${npm.version}`).trim().split("\n").at(-1),
    );
    if (`sha512-${digest("sha512", "base64", archive)}` !== npm.integrity) {
      throw new Error(`${npm.package} ${npm.version} does not have the pinned integrity`);
    }
    run("tar", "xzf", archive);
    for (const [name, sha256] of wrong) {
      const file = join(work, "package", name);
      if (!isRight(file, sha256)) throw new Error(`${name} does not have the pinned sha256`);
      // A rename would fail across file systems; a copy under another name never shows half a file.
      fs.copyFileSync(file, join(directory, `${name}.part`));
      fs.renameSync(join(directory, `${name}.part`), join(directory, name));
    }
  } finally {
    fs.rmSync(work, { recursive: true });
  }
}
