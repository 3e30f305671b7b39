// Builds the page into dist/: a few files with fixed names, which the server embeds.

import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { bundleOptions } from "./bundle.mjs";

const root = import.meta.dirname;
const out = join(root, "dist");

const result = await build({
  ...bundleOptions,
  entryPoints: { app: join(root, "src/main.ts"), style: join(root, "src/styles/app.css") },
  bundle: true,
  minify: true,
  metafile: true,
  write: false,
  outdir: out,
});

const files = new Map(
  result.outputFiles.map((file) => [file.path.slice(out.length + 1), Buffer.from(file.contents)]),
);
const frame = await buildFrame();
files.set("frame.html", Buffer.from(frame.html));
files.set("icon.svg", fs.readFileSync(join(root, "src/icon.svg")));
files.set("licenses.txt", Buffer.from(licenses(result.metafile)));

// The page names its files with this version, so that browsers may keep them for ever.
const hash = createHash("sha256");
for (const name of [...files.keys()].sort()) hash.update(name).update(files.get(name));
const html = fs.readFileSync(join(root, "src/index.html"), "utf8");
// Browsers keep the frame's policy together with the frame.
const version = hash.update(html).update(frame.policy).digest("hex").slice(0, 16);
files.set("index.html", Buffer.from(html.replaceAll("{version}", version)));

fs.rmSync(out, { recursive: true, force: true });
fs.mkdirSync(out);
for (const [name, content] of files) {
  fs.writeFileSync(join(out, name), content);
  const packed = gzipSync(content, { level: 9 });
  // The page itself is completed per answer, so it cannot be packed ahead.
  if (name !== "index.html") fs.writeFileSync(join(out, `${name}.gz`), packed);
  console.log(`${name.padEnd(14)} ${content.length} bytes, ${packed.length} packed`);
}
fs.writeFileSync(join(out, "version.txt"), version);
fs.writeFileSync(join(out, "frame-csp.txt"), frame.policy);

/** The file in which HTML of programs is shown, and its policy, which allows the script in it and no other. */
async function buildFrame() {
  const built = await build({
    ...bundleOptions,
    format: "iife",
    entryPoints: [join(root, "src/frame/loader.ts")],
    bundle: true,
    minify: true,
    write: false,
  });
  const loader = built.outputFiles[0].text.trim();
  const sum = `sha256-${createHash("sha256").update(loader).digest("base64")}`;
  const read = (name) => fs.readFileSync(join(root, name), "utf8");
  return {
    html: read("src/frame/frame.html").replace(/\s*\/\* loader \*\/\s*/, () => loader),
    policy: read("frame-csp.txt").trim().replace("{loader}", sum),
  };
}

/** The licence texts of the packages that ended up in the bundle. */
function licenses(metafile) {
  const packages = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const name = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (name) packages.add(name);
  }
  return [...packages]
    .sort()
    .map((name) => {
      const directory = dirname(join(root, "node_modules", name, "package.json"));
      const manifest = JSON.parse(fs.readFileSync(join(directory, "package.json"), "utf8"));
      const file = fs.readdirSync(directory).find((entry) => /^licen[sc]e/i.test(entry));
      if (!file) throw new Error(`${name} comes without its licence text`);
      const text = fs.readFileSync(join(directory, file), "utf8").trim();
      return `${name} ${manifest.version}\n\n${text}\n`;
    })
    .join(`\n${"-".repeat(72)}\n\n`);
}
