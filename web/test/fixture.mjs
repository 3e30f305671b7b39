// For the tests of a file: a browser, and a server whose answers are scripted. Both live until the last.

import { after, afterEach, before } from "node:test";
import { launch } from "./browser.mjs";
import { startFake } from "./fake-server.mjs";

export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

export let fake;
export let browser;

before(async () => {
  fake = await startFake();
  browser = await launch();
});
after(async () => {
  await browser.close();
  fake.close();
});
afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
  fake.runs = [];
});

export const text = (page, id) => page.locator(`#${id}`).textContent();
