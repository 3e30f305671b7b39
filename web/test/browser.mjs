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
  // One program, unless the address says otherwise.
  await page.goto(url.includes("#") ? url : `${url}#program`);
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

/** The texts that stand out too little from their ground (WCAG, 1.4.3), and whether the page is dark. */
export function findFaint(page) {
  return page.evaluate(() => {
    const luminance = (colour) => {
      const parts = colour.match(/[\d.]+/g).slice(0, 3);
      const [r, g, b] = parts.map((part) => {
        const c = part / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (it) => {
      for (; it; it = it.parentElement) {
        const colour = getComputedStyle(it).backgroundColor;
        if (!/, 0\)$/.test(colour)) return colour;
      }
      return "rgb(255, 255, 255)";
    };
    const faint = {};
    for (const it of document.querySelectorAll("body *")) {
      const own = [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
      if (!own || !it.checkVisibility() || it.matches(":disabled, .unseen, .skip")) continue;
      const [a, b] = [getComputedStyle(it).color, ground(it)].map(luminance);
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (contrast < 4.5) faint[it.textContent.trim().slice(0, 30)] = contrast.toFixed(2);
    }
    return {
      faint,
      isDark: luminance(getComputedStyle(document.documentElement).backgroundColor) < 0.1,
    };
  });
}
