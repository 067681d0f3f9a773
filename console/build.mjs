// Builds script and style of the console into OUT (default: dist/):
//   console/console.js, console/console.css, chunks that are loaded when needed, their maps
//   manifest.json: for each file its SHA-256, by which the API serves it
import { createHash } from "node:crypto";
import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = process.argv[2] ?? join(here, "dist");
const common = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  sourcemap: true,
  target: ["es2022"],
  legalComments: "linked",
  logLevel: "warning",
  outdir: join(out, "console"),
};

await build({
  ...common,
  entryPoints: { console: "src/main.ts" },
  format: "esm",
  splitting: true,
  chunkNames: "chunk-[hash]",
});
await build({ ...common, entryPoints: { console: "style/main.css" } });
copyFileSync(join(here, "style/icon.svg"), join(out, "console/icon.svg"));

const files = {};
for (const name of readdirSync(out, { recursive: true, encoding: "utf8" }).sort()) {
  const path = join(out, name);
  if (!statSync(path).isFile() || name === "manifest.json") continue;
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
  files[relative(out, path).split(sep).join("/")] = digest;
}
writeFileSync(join(out, "manifest.json"), JSON.stringify({ files }, null, 1) + "\n");
