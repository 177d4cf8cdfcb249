// SPDX-License-Identifier: MIT
// Screenshots of the main states in both themes into shots/, over the built page and the development API.
// Also fails on console errors, CSP reports, and serious accessibility findings.
import { mkdtempSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';
import { preview } from 'vite';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const CSP = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
const server = await preview({ preview: { port: 0, host: '127.0.0.1', headers: { 'Content-Security-Policy': CSP } }, logLevel: 'error' });
const base = process.env.SOP_URL ?? `http://127.0.0.1:${server.httpServer.address().port}`;
const context = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), 'shots-')), {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: FLAGS,
  viewport: { width: 1440, height: 900 },
});
mkdirSync('shots', { recursive: true });
let bad = 0;
const complain = (text) => {
  bad++;
  console.error(text);
};

async function run(theme) {
  const page = await context.newPage();
  page.on('console', (m) => m.type() === 'error' && !m.text().includes('409') && complain(`console: ${m.text()}`));
  page.on('pageerror', (e) => complain(`page: ${e.message}`));
  const shot = async (name, axe = true) => {
    await page.waitForTimeout(400);
    await page.screenshot({ path: `shots/${name}-${theme}.png` });
    if (!axe) return;
    const { violations } = await new AxeBuilder({ page }).analyze();
    for (const v of violations.filter((x) => x.impact === 'serious' || x.impact === 'critical'))
      complain(`axe ${name} ${theme}: ${v.id} ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? ''}`).join(' | ')}`);
  };
  await page.goto(base);
  await page.evaluate((t) => (localStorage.clear(), localStorage.setItem('sop-theme', t)), theme);
  await page.goto(`${base}/r/local/d/shop/s/users`);
  await page.waitForSelector('.g-cell .key');
  await shot('grid');
  await page.keyboard.press('Control+g');
  await page.keyboard.type('#750,000');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('.g-row.cur .g-num')?.textContent === '750,000');
  await shot('jump');
  await page.keyboard.press('Home');
  for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowRight');
  for (let i = 0; i < 49; i++) await page.keyboard.press('Shift+ArrowDown');
  await page.keyboard.type(theme === 'light' ? 'Portugal' : 'Chile');
  await page.keyboard.press('Control+Enter');
  await page.waitForSelector('.changebar');
  await shot('bulk');
  await page.keyboard.press('Control+Shift+s');
  await page.waitForSelector('.change');
  await shot('review');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('or');
  await shot('palette');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+h');
  await page.keyboard.type('Recieved');
  await shot('find');
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await page.waitForSelector('.keymap');
  await shot('help');
  await page.keyboard.press('Escape');
  for (const name of ['Columns', 'Export', 'Code', 'Import']) {
    await page.locator('.toolbar').getByRole('button', { name, exact: true }).click();
    await page.waitForSelector('dialog .sheet');
    await shot(name.toLowerCase());
    await page.keyboard.press('Escape');
  }
  await page.locator('.g-th', { hasText: 'balance' }).hover();
  await page.locator('.g-th', { hasText: 'balance' }).locator('.g-menu').click();
  await page.waitForSelector('.menu:popover-open');
  await shot('menu');
  await page.getByRole('menuitem', { name: 'Profile of balance' }).click();
  await page.waitForSelector('.bars');
  await page.waitForTimeout(1500);
  await shot('profile');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+f');
  await page.keyboard.type('status = ');
  await page.waitForTimeout(300);
  await shot('filter');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Menu of shop' }).click();
  await page.getByRole('button', { name: 'Create a store' }).click();
  await page.getByRole('radio', { name: 'Composite' }).click();
  await page.getByRole('button', { name: 'Add a part' }).click();
  await shot('designer');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Health and space' }).click();
  await page.waitForTimeout(1500);
  await shot('health');
  await page.keyboard.press('Escape');
  // Somebody else changes the field between staging and commit.
  await page.evaluate(async () => {
    const items = await (await fetch('/api/v1/r/local/d/shop/stores/users/items?rank=749999&limit=1')).json();
    const { k, v } = items.items[0];
    await fetch('/api/v1/r/local/d/shop/commits', { method: 'POST', headers: { 'X-SOP-Request': '1' }, body: JSON.stringify({ id: `x${Math.random()}`, ops: [{ op: 'put', store: 'users', k, v: { ...v, country: 'Iceland' } }] }) });
  });
  await page.keyboard.press('Control+s');
  await page.waitForSelector('.three');
  await shot('conflict');
  await page.getByRole('button', { name: 'Rebase and commit' }).click();
  await page.waitForSelector('.toast.good');
  await shot('committed');
  await page.goto(`${base}/r/local/d/telemetry/s/blobs`);
  await page.waitForSelector('.g-cell .key');
  await shot('raw');
  await page.setViewportSize({ width: 400, height: 760 });
  await page.goto(`${base}/r/local/d/shop/s/users?at=750000&q=${encodeURIComponent('country = Japan')}`);
  await page.waitForSelector('.g-cell .key');
  await page.keyboard.press('Delete');
  await shot('narrow');
  await page.evaluate(() => sessionStorage.clear());
  await page.close();
}

for (const theme of ['light', 'dark']) await run(theme).catch((e) => complain(`${theme}: ${e.message}`));
await context.close();
await server.close();
process.exit(bad ? 1 : 0);
