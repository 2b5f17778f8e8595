// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { HttpSource } from "./httpSource";
import { checkFolder, listedFolders } from "./locate";
import { openSource } from "./openSource";
import { StaticSource } from "./staticSource";

/** A file server in memory: path -> body. Objects are JSON; strings are HTML listings. */
function serve(files: Readonly<Record<string, unknown>>): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (address: string, options: RequestInit = {}) => {
    const path = new URL(address, "http://here/app/").pathname;
    asked.push(`${options.method ?? "GET"} ${address}`);
    const body = files[path];
    if (body === undefined) {
      return new Response("<h1>404</h1>", {
        status: 404,
        headers: { "content-type": "text/html" },
      });
    }
    const isPage = typeof body === "string";
    return new Response(isPage ? body : JSON.stringify(body), {
      headers: { "content-type": isPage ? "text/html" : "application/json" },
    });
  });
  return asked;
}

beforeEach(() =>
  vi.spyOn(document, "baseURI", "get").mockReturnValue("http://here/app/index.html"),
);
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const index = {
  n_latents: 2,
  latents: {
    "0": { label: "x", total_firings: 3, n_examples: 1 },
    "1": { label: null, total_firings: 0 },
  },
};
const page = (id: number) => ({
  latent_id: id,
  label: "x",
  total_firings: 3,
  examples: { top: [] },
});

describe("the static source", () => {
  test("finds data/index.json beside the page", async () => {
    serve({ "/app/data/index.json": index, "/app/data/positions.json": { positions: [] } });
    const found = await new StaticSource().experiments();
    expect(found).toMatchObject([{ id: "data", layouts: ["cosine"], edges: [] }]);
  });

  test("finds the experiments of experiments.json where they lie", async () => {
    serve({
      "/app/data/experiments.json": {
        experiments: [
          { id: "a_layer1_1k_s", num_tokens: 30 },
          { id: "b_layer1_1k_s" },
          { id: "gone" },
        ],
      },
      "/app/data/visualizer_data/a_layer1_1k_s/index.json": index,
      "/app/data/experiments/b_layer1_1k_s/visualizer/index.json": index,
    });
    const source = new StaticSource();
    expect((await source.experiments()).map((e) => e.id)).toEqual([
      "a_layer1_1k_s",
      "b_layer1_1k_s",
    ]);
    expect((await source.latents("a_layer1_1k_s")).nTokens).toBe(30);
  });

  test("without experiments.json, reads the listing of the folder", async () => {
    serve({
      "/app/data/visualizer_data/":
        '<li><a href="toy%20one/">toy one/</a></li><a href="../">up</a>',
      "/app/data/visualizer_data/toy one/index.json": index,
      "/app/data/visualizer_data/toy%20one/index.json": index,
    });
    expect((await new StaticSource().experiments()).map((e) => e.id)).toEqual(["toy one"]);
  });

  test("looks one folder up when nothing lies beside the page", async () => {
    serve({
      "/data/visualizer_data/experiments.json": { experiments: [{ id: "up" }] },
      "/data/visualizer_data/up/index.json": index,
    });
    expect((await new StaticSource().experiments()).map((e) => e.id)).toEqual(["up"]);
  });

  test("says what to do when there is nothing", async () => {
    serve({});
    await expect(new StaticSource().experiments()).rejects.toMatchObject({
      remedy: expect.stringContaining("fmi serve"),
    });
  });

  test("asks for five digits, and six from 100,000 on", async () => {
    const asked = serve({
      "/app/data/index.json": { n_latents: 200_000, latents: {} },
      "/app/data/latents/00042.json": page(42),
      "/app/data/latents/100000.json": page(100_000),
    });
    const source = new StaticSource();
    expect((await source.latent("data", 42)).id).toBe(42);
    expect((await source.latent("data", 100_000)).id).toBe(100_000);
    expect(asked).toContain("GET ./data/latents/00042.json");
  });

  test("a silent latent without a file is silent; a firing one without a file is an error", async () => {
    serve({ "/app/data/index.json": index });
    const source = new StaticSource();
    expect((await source.latent("data", 1)).totalFirings).toBe(0);
    await expect(source.latent("data", 0)).rejects.toMatchObject({
      file: "./data/latents/00000.json",
      remedy: expect.stringContaining("fmi export"),
    });
  });

  test("searches the index, and the labels where there is none", async () => {
    serve({
      "/app/data/index.json": index,
      "/app/data/search_index.json": { version: 1, tokens: { " Monday": [1, 0], Mon: [0] } },
    });
    expect(await new StaticSource().search("data", "monday")).toEqual([
      {
        token: " Monday",
        latents: [
          { id: 1, count: null },
          { id: 0, count: null },
        ],
      },
    ]);
    serve({ "/app/data/index.json": index });
    expect(await new StaticSource().search("data", "X")).toEqual([
      { token: "x", latents: [{ id: 0, count: null }] },
    ]);
  });

  test("a failed load is forgotten, so that a second try can succeed", async () => {
    serve({});
    const source = new StaticSource();
    await expect(source.experiments()).rejects.toThrow();
    serve({ "/app/data/index.json": index });
    expect(await source.experiments()).toHaveLength(1);
  });
});

describe("?data=", () => {
  test.each(["data", "../data/", "visualizer_data/toy"])(
    "%s is a folder of this server",
    (folder) => {
      expect(checkFolder(folder)).toBe(folder.endsWith("/") ? folder : `${folder}/`);
    },
  );

  test.each([
    "https://evil.example/",
    "//evil.example/x",
    "/etc",
    "data:text/html,x",
    "\\\\evil\\x",
    "a\\b",
    "javascript:x",
  ])("%s is refused", (folder) => {
    expect(() => checkFolder(folder)).toThrow(/relative path/);
  });
});

test("a listing gives folders only, decoded, and never paths", () => {
  const listing =
    '<a href="a_layer1/">a</a><a href="index.json">f</a><a href="..%2Fup/">x</a><a href="%E9/">bad</a>' +
    '<a href=".hidden/">h</a><a href="caf%C3%A9/">c</a><a href="/abs/">y</a>';
  expect(listedFolders(listing)).toEqual(["a_layer1", "café"]);
});

describe("the choice of the source", () => {
  test("JSON from the API means the server", async () => {
    serve({ "/app/api/experiments": { experiments: [] } });
    expect(await openSource("")).toBeInstanceOf(HttpSource);
  });

  test("a page of HTML means files, and so does ?data=", async () => {
    serve({});
    expect(await openSource("")).toBeInstanceOf(StaticSource);
    serve({ "/app/api/experiments": { experiments: [] } });
    expect(await openSource("?data=data")).toBeInstanceOf(StaticSource);
  });
});

describe("a server that fails", () => {
  const answer = (status: number, type: string, body = "oops") =>
    vi.stubGlobal(
      "fetch",
      async () => new Response(body, { status, headers: { "content-type": type } }),
    );

  test("is not taken for a file server", async () => {
    answer(500, "text/plain");
    await expect(openSource("")).rejects.toMatchObject({ message: "The server answered 500." });
    answer(502, "text/html");
    await expect(openSource("")).rejects.toMatchObject({ remedy: expect.stringContaining("log") });
  });

  test("or is gone is named, whatever was asked", async () => {
    vi.stubGlobal("fetch", async () => {
      throw new TypeError("Failed to fetch");
    });
    const gone = { message: "The server did not answer.", remedy: expect.any(String) };
    await expect(openSource("")).rejects.toMatchObject(gone);
    await expect(new StaticSource().experiments()).rejects.toMatchObject(gone);
    await expect(new HttpSource().latent("toy", 1)).rejects.toMatchObject(gone);
  });

  test.each(["application/json", "application/octet-stream"])(
    "or breaks off within %s is named with its file",
    async (type) => {
      const broken = () =>
        new ReadableStream({
          pull(controller) {
            controller.error(new TypeError("network error"));
          },
        });
      vi.stubGlobal(
        "fetch",
        async () => new Response(broken(), { headers: { "content-type": type } }),
      );
      await expect(new HttpSource().positions("toy", "cosine")).rejects.toMatchObject({
        file: "/api/graph",
        message: "The answer was cut short.",
      });
    },
  );
});

describe("the server source", () => {
  test("passes the server's own words on", async () => {
    vi.stubGlobal("fetch", async () =>
      Response.json(
        { error: { type: "MissingArtifactError", message: "Make it with: fmi graph" } },
        { status: 404 },
      ),
    );
    await expect(new HttpSource().latents("toy")).rejects.toMatchObject({
      message: "Make it with: fmi graph",
      file: "/api/latents",
    });
  });

  test("turns edges into neighbours, whichever end asks", async () => {
    serve({
      "/app/api/edges": {
        edges: [
          { source: 5, target: 2, weight: 0.1 },
          { source: 2, target: 9, weight: 0.7 },
        ],
      },
    });
    expect((await new HttpSource().neighbours("toy", 2, "cosine")).neighbours).toEqual([
      { id: 9, weight: 0.7 },
      { id: 5, weight: 0.1 },
    ]);
  });
});
