// SPDX-License-Identifier: MIT
// A million real items: first data, scrolling, jumping, filters and columns stay quick. Budgets are told; three times is a failure.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as h from './harness.mjs';

const N = Number(process.env.SOP_ITEMS ?? 1_000_000);
let server;
before(async () => {
  const db = h.join(h.folder(), 'big');
  const file = h.join(h.folder(), 'users.ndjson');
  const out = (await import('node:fs')).createWriteStream(file);
  for (let i = 1; i <= N; i += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, N - i + 1) }, (_, j) => JSON.stringify(h.person(i + j)));
    if (!out.write(lines.join('\n') + '\n')) await new Promise((go) => out.once('drain', go));
  }
  await new Promise((done) => out.end(done));
  h.sop(['import', db, 'users', file, '--key', 'id', '--quiet']);
  const wide = Array.from({ length: 300 }, (_, i) => Object.fromEntries([['id', i + 1], ...Array.from({ length: 200 }, (_, c) => [`c${String(c).padStart(3, '0')}`, i * c])]));
  h.load(db, 'wide', wide);
  server = await h.serve([db]);
  await (await h.enter(server)).context().close();
});
after(async () => {
  await h.close();
  await server.stop();
});

const number = (n) => n.toLocaleString('en');

test('check 3: the first data are there at once, cold and warm', async (t) => {
  const cold = await h.times(5, async () => {
    const page = await h.enter(server);
    await page.goto(h.addressOf(server, 'big', 'users'));
    await page.waitForSelector('.g-row:not([hidden]) .g-cell .key');
    await page.context().close();
  });
  h.budget(t, 'first data, cold', cold, 1000);
  const page = await h.enter(server);
  await h.show(page, server, 'big', 'users');
  const warm = await h.times(5, async () => {
    await page.reload({ waitUntil: 'commit' });
    await page.waitForSelector('.g-row:not([hidden]) .g-cell .key');
  });
  h.budget(t, 'first data, warm', warm, 400);
  await page.context().close();
});

test('check 4: wheel steps of 3,000 px through a million rows keep their frames, few elements, little memory', async (t) => {
  const page = await h.enter(server);
  await h.show(page, server, 'big', 'users');
  await page.mouse.move(700, 500);
  await page.evaluate(() => {
    window.frames_ = [];
    let last = performance.now();
    const tick = (now) => {
      window.frames_.push(now - last);
      last = now;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  });
  for (let i = 0; i < 200; i++) await page.mouse.wheel(0, 3000);
  await page.waitForFunction(() => !document.querySelector('.g-row:not([hidden]) .skeleton'));
  const { frames, nodes, heap } = await page.evaluate(() => ({ frames: window.frames_.slice(5), nodes: document.querySelectorAll('*').length, heap: performance.memory.usedJSHeapSize / 1e6 }));
  const sorted = frames.sort((a, b) => a - b);
  h.budget(t, `p95 of ${frames.length} frames`, [sorted[Math.floor(sorted.length * 0.95)]], 33);
  h.budget(t, 'longest frame', [sorted.at(-1)], 150);
  t.diagnostic(`${nodes} elements, heap ${heap.toFixed(1)} MB`);
  assert.ok(nodes <= 1500, `${nodes} elements`);
  assert.ok(heap <= 80, `${heap} MB`);
  assert.ok((await h.firstRow(page)) > 10_000, 'it did scroll');
  await page.context().close();
});

test('check 5: the end, a row, a percentage, a key and a missing key are each shown at once', async (t) => {
  const page = await h.enter(server);
  await h.show(page, server, 'big', 'users');
  const half = Math.floor(N * 0.5) + 1;
  for (const [what, text, row] of [['a row', (i) => `#${number(Math.floor(N * 0.75) - i)}`, (i) => Math.floor(N * 0.75) - i], ['a percentage', () => '50%', () => half], ['a key', (i) => String(Math.floor(N / 4) + i), (i) => Math.floor(N / 4) + i], ['a missing key', () => String(N + 77), () => N]]) {
    const runs = [];
    for (let i = 0; i < 5; i++) {
      await h.goto(page, '#1');
      await h.currentRow(page, 1);
      const t0 = performance.now();
      await h.goto(page, text(i));
      await h.currentRow(page, row(i));
      runs.push(performance.now() - t0);
    }
    h.budget(t, `go to ${what}`, runs, 300);
  }
  await h.goto(page, '#1');
  await h.currentRow(page, 1);
  await page.keyboard.press('Control+End');
  await h.currentRow(page, N);
  assert.equal(await h.cell(page, N, 'id'), String(N));
  await page.keyboard.press('Control+Home');
  await h.currentRow(page, 1);
  await page.evaluate(() => {
    const g = document.querySelector('[role=grid]');
    g.scrollTop = g.scrollHeight;
  });
  await page.waitForFunction((n) => [...document.querySelectorAll('.g-row:not([hidden]) .g-num')].some((e) => e.textContent === n), number(N));
  await page.context().close();
});

test('page mode: page n of N, exact, and descending order from the other end', async () => {
  const page = await h.enter(server);
  await h.show(page, server, 'big', 'users', '?size=100');
  assert.match(await page.locator('.pager').textContent(), new RegExp(`of ${number(N / 100)}`));
  await page.getByLabel('Page number').fill(String(N / 200));
  await page.keyboard.press('Enter');
  await h.until(async () => (await h.firstRow(page)) === N / 2 - 99, () => h.firstRow(page));
  await page.getByRole('button', { name: 'Last page' }).click();
  await h.until(async () => (await h.firstRow(page)) === N - 99, () => h.firstRow(page));
  await h.show(page, server, 'big', 'users', '?order=desc');
  assert.equal(await h.cell(page, 1, 'id'), String(N));
  await h.goto(page, String(N - 999));
  await h.currentRow(page, 1000);
  await page.context().close();
});

test('check 6: a column follows the pointer, and width, order, pin and hiding survive a reload; 200 columns stay smooth', async (t) => {
  const page = await h.enter(server);
  await h.show(page, server, 'big', 'users');
  const head = (name) => page.locator('.g-th', { has: page.locator('b', { hasText: new RegExp(`^${name}$`) }) });
  const handle = await head('name').locator('.g-handle').boundingBox();
  await page.mouse.move(handle.x + 5, handle.y + 10);
  await page.mouse.down();
  for (const dx of [20, 60, 90]) {
    await page.mouse.move(handle.x + 5 + dx, handle.y + 10);
    const edge = await head('name').boundingBox();
    assert.ok(Math.abs(edge.x + edge.width - (handle.x + handle.width + dx)) <= 2, 'within 2 px');
  }
  await page.mouse.up();
  const wide = (await head('name').boundingBox()).width;
  await page.getByRole('button', { name: 'Columns', exact: true }).first().click();
  await page.locator('.cols li', { hasText: 'email' }).getByRole('checkbox').click();
  await page.getByRole('button', { name: 'Pin name' }).click();
  await page.getByRole('button', { name: 'Move status up' }).click();
  await page.keyboard.press('Escape');
  const titles = () => page.locator('.g-th b').allTextContents();
  const before = await titles();
  assert.ok(!before.includes('email') && before.indexOf('status') < before.indexOf('country'));
  await page.reload();
  await page.waitForSelector('.g-row:not([hidden]) .g-cell .key');
  assert.deepEqual(await titles(), before);
  assert.equal((await head('name').boundingBox()).width, wide);
  await h.show(page, server, 'big', 'wide');
  const moves = await h.times(5, async (i) => {
    await page.evaluate((x) => (document.querySelector('[role=grid]').scrollLeft = x), 3000 * (i + 1));
    await page.evaluate(() => new Promise((p) => requestAnimationFrame(() => requestAnimationFrame(p))));
  });
  h.budget(t, 'a scroll over 200 columns', moves, 66);
  assert.ok((await page.evaluate(() => document.querySelectorAll('*').length)) <= 1500);
  await page.context().close();
});

test('check 23: a filter over a million items shows its first hits at once, tells its progress, and can be stopped', async (t) => {
  const page = await h.enter(server);
  await h.show(page, server, 'big', 'users');
  const runs = await h.times(5, async (i) => {
    await page.goto(h.addressOf(server, 'big', 'users', `?q=${encodeURIComponent(`age = ${30 + i}`)}`));
    await page.waitForSelector('.g-row:not([hidden]) .g-cell .key');
  });
  h.budget(t, 'first hits', runs, 1000);
  await page.goto(h.addressOf(server, 'big', 'users', `?q=${encodeURIComponent('name = nobody')}`));
  await page.waitForFunction(() => /looked at/.test(document.querySelector('.status').textContent));
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.waitForFunction(() => /Stopped/.test(document.querySelector('.status').textContent));
  await page.keyboard.press('Control+f');
  await page.keyboard.type('country = Jap');
  await page.getByRole('option', { name: /country = Japan/ }).click();
  assert.equal(await page.locator('.chip:not(.working)').count(), 2);
  await page.context().close();
});

test('a profile of a column counts values, range and histogram of what it has seen', async () => {
  const page = await h.enter(server);
  await h.show(page, server, 'big', 'users');
  await h.focus(page, 1, 'country');
  await page.keyboard.press('Alt+ArrowDown');
  await page.getByRole('menuitem', { name: 'Profile of country' }).click();
  await page.waitForSelector('.bars li');
  await page.waitForFunction(() => document.querySelectorAll('.bars li').length === 10);
  await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click().catch(() => {});
  await page.context().close();
});

test('no page said an error, met the content policy, or asked elsewhere', () => assert.deepEqual(h.complaints, []));
