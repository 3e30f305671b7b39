// Fetches what pyodide-dist/manifest.json pins and verifies it: Pyodide with `npm pack`, the wheels
// that are installed for every program with `pip download`.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const directory = new URL("../pyodide-dist/", import.meta.url).pathname;
const { npm, pypi } = JSON.parse(fs.readFileSync(join(directory, "manifest.json"), "utf8"));

function digest(algorithm, encoding, path) {
  return createHash(algorithm).update(fs.readFileSync(path)).digest(encoding);
}

function isRight(path, sha256) {
  return fs.existsSync(path) && digest("sha256", "hex", path) === sha256;
}

// Runs `fetch` in a temporary folder.
function inScratch(fetch) {
  const scratch = fs.mkdtempSync(join(tmpdir(), "faas-setup-"));
  const run = (command, ...args) =>
    execFileSync(command, args, { cwd: scratch, stdio: ["ignore", "pipe", "inherit"] }).toString();
  try {
    fetch(scratch, run);
  } finally {
    fs.rmSync(scratch, { recursive: true });
  }
}

// A rename would fail across file systems; a copy under another name never shows half a file.
function take(file, name, sha256) {
  if (!isRight(file, sha256)) throw new Error(`${name} does not have the pinned sha256`);
  fs.copyFileSync(file, join(directory, `${name}.part`));
  fs.renameSync(join(directory, `${name}.part`), join(directory, name));
}

const files = Object.entries(npm.files).filter(
  ([name, sha256]) => !isRight(join(directory, name), sha256),
);
if (files.length > 0) {
  console.log(`setup: fetching ${npm.package} ${npm.version}`);
  inScratch((scratch, run) => {
    const packed = run("npm", "pack", "--silent", `${npm.package}@${npm.version}`);
    const archive = join(scratch, packed.trim().split("\n").at(-1));
    if (`sha512-${digest("sha512", "base64", archive)}` !== npm.integrity) {
      throw new Error(`${npm.package} ${npm.version} does not have the pinned integrity`);
    }
    run("tar", "xzf", archive);
    for (const [name, sha256] of files) take(join(scratch, "package", name), name, sha256);
  });
}

// The Python that these wheels are for: "3.14" out of "3.14.2".
const { info } = JSON.parse(fs.readFileSync(join(directory, "pyodide-lock.json"), "utf8"));
const python = info.python.split(".", 2).join(".");

for (const { package: name, version, file, sha256 } of pypi) {
  if (isRight(join(directory, file), sha256)) continue;
  console.log(`setup: fetching ${name} ${version}`);
  inScratch((scratch, run) => {
    const options = ["--quiet", "--no-deps", "--only-binary=:all:", `--python-version=${python}`];
    run("python3", "-m", "pip", "download", ...options, `${name}==${version}`);
    take(join(scratch, file), file, sha256);
  });
}
