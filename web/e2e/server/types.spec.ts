import { readFileSync } from "node:fs";
import { expect, test } from "@playwright/test";
import openapiTS, { astToString, COMMENT_HEADER, type OpenAPI3 } from "openapi-typescript";

test("the app's types are those of the server's OpenAPI document", async ({ request }) => {
  const document = (await (await request.get("api/openapi.json")).json()) as OpenAPI3;
  const types = COMMENT_HEADER + astToString(await openapiTS(document));
  // Stale? make generate
  expect(readFileSync("src/api/schema.gen.ts", "utf8")).toBe(types);
});
