// Builds the library, and the demo's page where it is here, into OUT (default: dist/):
//   softphone/softphone.js, softphone.iife.js (window.Maskline), their maps, types/
//   demo/…
//   manifest.json: for each file its SHA-256, by which the API serves it
import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
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
};

const entry = "src/index.ts";
await build({ ...common, entryPoints: [entry], format: "esm", outfile: join(out, "softphone/softphone.js") });
await build({
  ...common,
  entryPoints: [entry],
  format: "iife",
  globalName: "Maskline",
  outfile: join(out, "softphone/softphone.iife.js"),
});
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const types = join(out, "softphone/types");
const typed = spawnSync(process.execPath, [tsc, "-p", join(here, "tsconfig.types.json"), "--outDir", types], {
  stdio: "inherit",
});
if (typed.status !== 0) process.exit(typed.status ?? 1);

if (existsSync(join(here, "demo/main.ts"))) {
  await build({
    ...common,
    entryPoints: { demo: "demo/main.ts" },
    format: "esm",
    outdir: join(out, "demo"),
  });
  for (const name of ["index.html", "icon.svg"]) copyFileSync(join(here, "demo", name), join(out, "demo", name));
}

const files = {};
for (const name of readdirSync(out, { recursive: true, encoding: "utf8" }).sort()) {
  const path = join(out, name);
  if (!statSync(path).isFile() || name === "manifest.json") continue;
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
  files[relative(out, path).split(sep).join("/")] = digest;
}
writeFileSync(join(out, "manifest.json"), JSON.stringify({ files }, null, 1) + "\n");
