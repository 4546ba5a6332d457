// Chromium with a profile of its own, and everything that its pages complain about.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const SIZES = [['phone', { width: 390, height: 844 }], ['desktop', { width: 1280, height: 800 }]];

export const launch = async (folder) => {
  const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
  assert.ok(executablePath, 'there is no chromium');
  const profile = mkdtempSync(join(tmpdir(), 'walk-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    locale: 'en-GB',
  });
  // A page that does not come is a failure, not a wait.
  context.setDefaultTimeout(15_000);
  const complaints = [];
  const listen = (page) => {
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('favicon')) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
  };
  context.on('page', listen);
  const page = await context.newPage();

  return {
    context,
    page,
    complaints,
    // Both sizes in both themes, where somebody wants to look at them; and no page is wider than its window.
    async picture(name, shown = page) {
      for (const colorScheme of ['light', 'dark']) {
        for (const [size, viewport] of folder ? SIZES : SIZES.slice(0, 1)) {
          await shown.emulateMedia({ colorScheme });
          await shown.setViewportSize(viewport);
          const widths = await shown.evaluate(() => {
            const { scrollWidth, clientWidth } = document.documentElement;
            return { scrollWidth, clientWidth };
          });
          assert.ok(widths.scrollWidth <= widths.clientWidth, `${name} is wider than a ${size}: ${JSON.stringify(widths)}`);
          if (folder) await shown.screenshot({ path: join(folder, `${name}-${size}-${colorScheme}.png`) });
        }
      }
    },
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
};
