// For the tests of the notebook: a browser, and a real server, whose address is in FAAS_URL.

import * as fs from "node:fs";
import { after, afterEach, before } from "node:test";
import { launch, openPage } from "./browser.mjs";

export const axe = process.env.AXE;
export const url = process.env.FAAS_URL;
export const shots = process.env.SCREENSHOTS;
export const needsServer = { skip: url ? false : "FAAS_URL names no server" };
export const needsPackages = {
  skip: url && process.env.HAS_PACKAGES ? false : "the server has no packages to test with",
};

export let browser;
before(async () => {
  browser = url && (await launch());
});
after(() => browser?.close());
afterEach(async () => {
  for (const context of browser?.contexts() ?? []) await context.close();
  // What a test leaves is no part of the next.
  if (url) for (const { id } of await listSessions()) await api("DELETE", `sessions/${id}`);
});

export const api = (method, path, body) => fetch(new URL(path, url), { method, body });
export const listSessions = async () => (await (await api("GET", "sessions")).json()).sessions;
export const open = (options) => openPage(browser, `${url}#notebook`, options);

/** The cells of a column, from the first. */
export const cell = (page, index) => page.locator(".column.active .cells > .cell").nth(index);
export const stateOf = (page, index) => cell(page, index).getAttribute("data-state");
export const becomes = (page, index, state) =>
  page
    .locator(`.column.active .cells > .cell:nth-of-type(${index + 1})[data-state=${state}]`)
    .waitFor();
export const status = (page) => page.locator("#notebook-status").textContent();
export const says = (page, text) => page.locator("#notebook-status", { hasText: text }).waitFor();
export const write = async (page, index, code) => {
  await cell(page, index).locator(".cm-content").click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.insertText(code);
};
/** Writes these cells from the first on and runs each, which is to end in this state. */
export async function run(page, codes, states = codes.map(() => "ok")) {
  await cell(page, 0).locator(".cm-content").click();
  for (const [index, code] of codes.entries()) {
    await page.keyboard.insertText(code);
    await page.keyboard.press("Shift+Enter");
    await becomes(page, index, states[index]);
  }
}

/** Waits until the page has listed a variable, as the preview of a step back to here needs. */
export function lists(page, variable) {
  return page.locator("#variables", { hasText: variable }).waitFor();
}

/** A picture, if a folder is wanted. */
export async function shoot(page, name) {
  if (shots) await page.screenshot({ path: `${shots}/${name}.png` });
}

/** What axe-core, whose file is in AXE, finds. */
export async function findViolations(page) {
  const session = await page.context().newCDPSession(page);
  // The page's policy allows no script but its own.
  await session.send("Runtime.evaluate", { expression: fs.readFileSync(axe, "utf8") });
  const { violations } = await page.evaluate(() => window.axe.run({ iframes: false }));
  // The text in an editor's scroller has the focus itself.
  return violations
    .map(({ id, nodes }) => ({ id, nodes: nodes.filter(({ html }) => !/cm-scroller/.test(html)) }))
    .filter(({ nodes }) => nodes.length > 0)
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n")}`);
}
