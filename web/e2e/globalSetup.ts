import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { writeExport } from "./fixture";

const HERE = dirname(fileURLToPath(import.meta.url));
export const STATIC = join(HERE, ".static");

/** Lay out the folders that a plain file server offers: the built app beside different data. */
export default function globalSetup(): void {
  rmSync(STATIC, { recursive: true, force: true });
  for (const site of ["spec", "many", "empty", "broken", "large", "checkout/visualizer"]) {
    cpSync(join(HERE, "..", "dist"), join(STATIC, site), { recursive: true });
  }
  writeExport(join(STATIC, "spec/data"), { nLatents: 5000, nPages: 60 });
  writeExport(join(STATIC, "many/data/visualizer_data/toy_layer0_5k_medium"), {
    nLatents: 5000,
    nPages: 12,
  });
  writeExport(join(STATIC, "many/data/experiments/older_layer1_1k_small/visualizer"), {
    nLatents: 1000,
    nPages: 12,
    older: true,
  });
  writeExport(join(STATIC, "checkout/data/visualizer_data/toy_layer0_1k_small"), {
    nLatents: 1000,
    nPages: 4,
  });
  writeFileSync(
    join(STATIC, "checkout/data/visualizer_data/experiments.json"),
    JSON.stringify({
      experiments: [{ id: "toy_layer0_1k_small", layer: 0, num_tokens: 1_000_000 }],
    }),
  );
  writeExport(join(STATIC, "broken/data"), { nLatents: 50, nPages: 5 });
  writeFileSync(join(STATIC, "broken/data/latents/00000.json"), '{"latent_id": 0, "examples": ');
  writeFileSync(join(STATIC, "broken/data/positions.json"), '{"positions": [[0, null]]}');
  writeFileSync(
    join(STATIC, "broken/data/latents/00001.json"),
    JSON.stringify({ latent_id: 1, examples: { top: [{ max_activation: 1, tokens: ["a"] }] } }),
  );
  mkdirSync(join(STATIC, "large/data"), { recursive: true });
  writeExport(join(STATIC, "large/data"), { nLatents: 262_144, nPages: 3 });
  linkDemo();
}

/** The demo's export beside the app, as `visualizer_data/` under the data root. */
function linkDemo(): void {
  if (!process.env.FMI_DATA) return;
  const exported = resolve(process.env.FMI_DATA, "visualizer_data");
  if (!existsSync(exported))
    throw new Error(`${exported} does not exist: run fmi demo --run-only.`);
  cpSync(join(HERE, "..", "dist"), join(STATIC, "demo"), { recursive: true });
  symlinkSync(exported, join(STATIC, "demo/data"), "dir");
}
