// Pages in real browsers: Chromium, and Firefox by WebDriver BiDi. The sources are served as they are, from another origin than the broker's.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';
import puppeteer from 'puppeteer-core';

/**
 * For a browser that starts, a page that opens and whatever is waited for in it. The defaults of 30 s are no failure but a cold, slow
 * machine: there Firefox alone takes longer to start.
 */
const PATIENCE_MS = 180_000;
const SOURCES = join(import.meta.dirname, '../src');
const CHROMIUM = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
export const BROWSERS = {
  chromium: { browser: 'chrome', executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: CHROMIUM },
  firefox: { browser: 'firefox', executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr' },
};

export class Site {
  /** Serves a page, an empty one unless given, and the sources beside it; also where npm would put them. */
  static async start(page = '<!doctype html><title>page</title>') {
    const site = new Site();
    site.page = page;
    /** What pages are given at `/token`. */
    site.token = '';
    site.server = createServer(async (request, response) => {
      const path = normalize(new URL(request.url, 'http://page').pathname);
      if (path === '/token') return response.end(site.token);
      if (path === '/') return response.setHeader('content-type', 'text/html').end(site.page);
      try {
        const source = await readFile(join(SOURCES, path.replace('/node_modules/@sluicegate/client/src', '')));
        response.setHeader('content-type', 'text/javascript').end(source);
      } catch {
        response.writeHead(404).end();
      }
    }).listen(0, '127.0.0.1');
    await once(site.server, 'listening');
    site.origin = `http://127.0.0.1:${site.server.address().port}`;
    return site;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** An empty page of the browser. */
export async function newPage(browser) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  return page;
}

/** Plays with a page of a browser, which must not complain. */
export async function withPage(name, site, play) {
  const browser = await puppeteer.launch({ headless: true, timeout: PATIENCE_MS, protocolTimeout: PATIENCE_MS, ...BROWSERS[name] });
  try {
    const page = await newPage(browser);
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${site.origin}/`);
    await play(page, browser);
    if (complaints.length) throw new Error(`the page complains: ${complaints}`);
  } finally {
    await browser.close();
  }
}
