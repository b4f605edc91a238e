// The demo page in headless Chromium, and words for what a person sees and does there.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

import { Broker } from './broker.mjs';

const SCREENSHOTS = process.env.SLUICEGATE_SCREENSHOTS ?? fileURLToPath(new URL('../../target/screenshots', import.meta.url));
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
/**
 * For a browser that starts, a page that opens and whatever is waited for in it. The defaults of 30 s are no failure but a cold, slow
 * machine: there a browser alone takes longer to start.
 */
const PATIENCE_MS = 180_000;
export const WIDE = { width: 1280, height: 900 };
export const PHONE = { width: 360, height: 740 };
export const ACTIONS = ['hello', 'mask', 'burst', 'closed', 'recover'];

/** What the browser itself says of a broker that is not there, or on its way out. */
const NO_BROKER = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED|status of 503|WebSocket connection to/;

/** Opens the demo on a broker of its own for each test: no test inherits another's rate limit or history. */
export async function withDemo(t, options, play) {
  const broker = await Broker.start();
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS, timeout: PATIENCE_MS });
  const context = await browser.newContext({ viewport: WIDE, ...options });
  const demo = new Demo(broker, await context.newPage());
  try {
    await play(demo);
    const own = demo.complaints.filter((text) => !demo.tolerated.some((pattern) => pattern.test(text)));
    assert.deepEqual(own, [], 'the console stays silent');
  } finally {
    await browser.close();
    await demo.broker.stop();
  }
}

class Demo {
  constructor(broker, page, complaints = []) {
    this.broker = broker;
    this.page = page;
    this.complaints = complaints;
    /** What the browser may complain of. @type {RegExp[]} */
    this.tolerated = [];
    this.requests = [];
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && this.complaints.push(message.text()));
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('request', (request) => this.requests.push(request.url()));
  }

  /** Loads the page and waits until both are in. */
  async open() {
    const response = await this.page.goto(this.broker.url);
    for (const user of ['ann', 'bob']) {
      await this.sees(`state-${user}`, /^online/);
      for (const other of ['ann', 'bob']) await this.sees(`presence-${user}`, new RegExp(other));
    }
    return response;
  }

  /** Loads the editor for these people, and waits until they have what was written before. @param {string} users */
  async openEditor(users) {
    await this.page.goto(new URL(`editor?as=${users}`, this.broker.url).href);
    for (const user of users.split(',')) {
      await this.sees(`state-${user}`, /^online/);
      await this.sees(`progress-${user}`, /characters/);
    }
  }

  /** Another window, as somebody else would have it. */
  async another() {
    return new Demo(this.broker, await this.page.context().newPage(), this.complaints);
  }

  /** Stops the broker, and starts one that remembers nothing at the same place. */
  async restart() {
    const { port } = this.broker;
    await this.broker.stop();
    await this.frameBy(async () => (await this.page.locator('.state[data-state="online"]').count()) === 0, 'people who know that the broker is gone');
    this.broker = await Broker.start(port);
    this.tolerated.push(NO_BROKER);
  }

  at(id) {
    return this.page.getByTestId(id);
  }

  /** How many numbers somebody got. */
  async received(user) {
    return parseInt(await this.at(`tally-${user}`).textContent(), 10);
  }

  /** Waits for some numbers more than there are now. */
  async someMore(user) {
    const least = (await this.received(user)) + 5;
    await this.frameBy(async () => (await this.received(user)) >= least, `${least} numbers for ${user}`);
  }

  /** Waits until the place with this test id shows the text. */
  async sees(id, text) {
    await this.at(id).filter({ hasText: text }).waitFor().catch(async (error) => {
      throw new Error(`${id} never showed ${text}; it shows “${await this.at(id).first().innerText()}”`, { cause: error });
    });
  }

  /** Waits until the whole of what the place shows matches. @returns {Promise<string[]>} the groups */
  async eventually(id, pattern) {
    await this.sees(id, pattern);
    return (await this.at(id).innerText()).match(pattern).slice(1);
  }

  /** Looks at each frame that the page draws, until it is so. (The page's policy lets nobody wait inside of it.) */
  async frameBy(isSo, what) {
    for (const late = AbortSignal.timeout(PATIENCE_MS); !(await isSo()); ) {
      if (late.aborted) assert.fail(`there were never ${what}`);
      await this.page.evaluate(() => new Promise(requestAnimationFrame));
    }
  }

  /** Waits until a part of that place shows the text. */
  async seesIn(id, part, text) {
    await this.at(id).getByTestId(part).filter({ hasText: text }).first().waitFor();
  }

  /** Runs one guided action to its end. */
  async run(name) {
    await this.at(`run-${name}`).click();
    await this.ended(name);
  }

  async ended(name) {
    await this.page.locator(`[data-step="${name}"]:is([data-state="done"], [data-state="failed"])`).waitFor();
    assert.equal(await this.page.locator(`[data-step="${name}"]`).getAttribute('data-state'), 'done', await this.result(name));
  }

  result(name) {
    return this.at(`result-${name}`).innerText();
  }

  /** Opens a listed envelope and reads it. Its text is written when it opens, so it is waited for. */
  async envelope(listed) {
    await listed.locator('summary').click();
    const text = listed.locator('pre').filter({ hasText: /\S/ });
    await text.waitFor();
    return JSON.parse(await text.innerText());
  }

  gate(plugin) {
    return this.at(`gate-${plugin}`).getAttribute('data-state');
  }

  async screenshot(name, options = {}) {
    await mkdir(SCREENSHOTS, { recursive: true });
    // The transitions of the gates first, so that the picture is of an end, not of a way.
    await this.page.evaluate(() => Promise.allSettled(document.getAnimations().filter((a) => a.effect.getTiming().iterations !== Infinity).map((a) => a.finished)));
    await this.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), ...options });
  }

  /** How far the page is wider than the window, in pixels. */
  overflow() {
    return this.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  }
}
