// A real Chromium, with a profile of its own.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

export function haveBrowser() {
  return existsSync(executablePath);
}

export function launch(more = []) {
  if (!haveBrowser()) {
    throw new Error(`no Chromium at ${executablePath}: apt-get install chromium, or set CHROMIUM`);
  }
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...more,
    ],
  });
}

/**
 * The page in a context of its own, once it is ready. Anything that goes wrong in it, and every
 * address it asks outside the server, is noted in `page.faults`.
 */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") page.faults.push(message.text());
  });
  page.on("request", (request) => {
    const address = request.url();
    if (!address.startsWith(new URL("/", url).href) && !address.startsWith("data:")) {
      page.faults.push(`asked outside: ${address}`);
    }
  });
  await page.goto(url);
  await page.locator("#health[data-tone=good]").waitFor();
  return page;
}

/** Replaces the program, as a person would. */
export async function type(page, code) {
  const editor = page.getByRole("textbox", { name: "Program" });
  await editor.click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(code);
}

const runs = (page) => page.evaluate(() => document.body.dataset.runs ?? "0");

/** Does what starts an execution and waits for its end. */
export async function execute(page, start) {
  const before = await runs(page);
  await start();
  await page.waitForFunction((n) => (document.body.dataset.runs ?? "0") !== n, before);
}

export function clickRun(page) {
  return execute(page, () => page.locator("#run").click());
}

export function runByKeyboard(page) {
  return execute(page, () => page.keyboard.press("ControlOrMeta+Enter"));
}
